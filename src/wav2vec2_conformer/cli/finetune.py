"""`wav2vec2-conformer finetune`: train a model for a task."""

from pathlib import Path

from wav2vec2_conformer.cli.training_command import training_command
from wav2vec2_conformer.training.settings import FinetuneSettings


@training_command(FinetuneSettings)
def finetune(settings: FinetuneSettings) -> Path:
    """Train a model for a task, from a checkpoint (--model) or random weights (--config).

    A flag comes before a key=value, which comes before the recipe. Prints the folder of the
    final model.
    """
    from wav2vec2_conformer.training import finetuning

    return finetuning.finetune(settings)
