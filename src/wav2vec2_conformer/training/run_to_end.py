"""A run from its trainer to the folder of the final model, whatever is trained."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_conformer.training.adaptation.adapted_task import load_finished
from wav2vec2_conformer.training.distributed_model import whole_model
from wav2vec2_conformer.training.recipe import RECIPE_FILE, write_recipe
from wav2vec2_conformer.training.report.model_card import write_model_card
from wav2vec2_conformer.training.report.run_folder import FINAL_FOLDER
from wav2vec2_conformer.training.report.training_report import write_training_report
from wav2vec2_conformer.training.resuming import final_checkpoint, is_finished
from wav2vec2_conformer.training.run_settings import RunSettings
from wav2vec2_conformer.training.schedule import TrainingClock

if TYPE_CHECKING:
    from wav2vec2_conformer.training.speech_trainer import SpeechTrainer

logger = logging.getLogger(__name__)


def run_to_end(
    settings: RunSettings,
    trainer: "SpeechTrainer",
    clock: TrainingClock,
    checkpoint: Path | None,
    save: Callable[[Any, Path], object],
) -> Path:
    """Train, or take the result of a run that has ended already, and write what it leaves.

    Args:
        settings: Of the run.
        trainer: With model and data.
        clock: Clock of the run.
        checkpoint: Where to go on; None to begin.
        save: Writes a trained model into a folder.

    Returns:
        The folder of the final model, `output_dir/final`.
    """
    output_dir = Path(settings.output_dir or "")
    if trainer.args.should_save:
        write_recipe(replace(settings, resume=False), output_dir / RECIPE_FILE)
    if checkpoint is not None and is_finished(checkpoint, trainer.args, clock):
        logger.info("%s: the run has reached its end already", checkpoint)
        keeps_best = settings.load_best_model_at_end
        load_finished(trainer.model, final_checkpoint(checkpoint, keeps_best=keeps_best))
    else:
        try:
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        finally:
            trainer.end_workers()
    final = output_dir / FINAL_FOLDER
    model = whole_model(trainer.model)  # all processes take part
    if trainer.args.should_save:
        save(model, final)
        write_model_card(output_dir)
        write_training_report(output_dir)
    return final
