"""`wav2vec2-conformer pretrain`: learn from speech without transcripts."""

from pathlib import Path

from wav2vec2_conformer.cli.training_command import training_command
from wav2vec2_conformer.training.pretraining.settings import PretrainingSettings


@training_command(PretrainingSettings)
def pretrain(settings: PretrainingSettings) -> Path:
    """Pre-train a model, from a checkpoint (--model) or random weights (--config or a preset).

    A flag comes before a key=value, which comes before the recipe. Prints the folder of the
    final model.
    """
    from wav2vec2_conformer.training.pretraining import run

    return run.pretrain(settings)
