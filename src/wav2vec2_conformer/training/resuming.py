"""Whether a run goes on, and from where."""

import logging
import math
from pathlib import Path

from transformers import TrainingArguments
from transformers.trainer_callback import TrainerState

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.training.model_folder import latest_checkpoint
from wav2vec2_conformer.training.schedule import TrainingClock, saved_elapsed_s

logger = logging.getLogger(__name__)


def find_checkpoint(output_dir: Path, *, resume: bool) -> Path | None:
    """Return the checkpoint to resume from. Without `resume` there must be none.

    Raises:
        InputError: There is a checkpoint, and the run is not to be resumed.
    """
    checkpoint = latest_checkpoint(output_dir)
    if checkpoint is not None and not resume:
        raise InputError(
            f"{output_dir} holds {checkpoint.name} of an earlier run; resume it "
            "(resume=True, --resume) or choose another output_dir"
        )
    if resume and checkpoint is None:
        logger.info("%s holds no checkpoint: the run starts at the beginning", output_dir)
    return checkpoint


def is_finished(checkpoint: Path, arguments: TrainingArguments, clock: TrainingClock) -> bool:
    """Return whether a run had reached its end when it wrote a checkpoint."""
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    limit_s = math.inf if clock.time_limit_s is None else clock.time_limit_s
    if arguments.max_steps > 0:
        has_ended = state.global_step >= arguments.max_steps
    else:
        has_ended = (state.epoch or 0.0) >= arguments.num_train_epochs
    return has_ended or saved_elapsed_s(state) >= limit_s


def final_checkpoint(checkpoint: Path, *, keeps_best: bool) -> Path:
    """Return the checkpoint whose weights are the result of a run that has ended.

    Args:
        checkpoint: The last one.
        keeps_best: Whether the best one on the validation data is wanted.
    """
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    if not (keeps_best and state.best_model_checkpoint):
        return checkpoint
    best = checkpoint.parent / Path(state.best_model_checkpoint).name  # the run may have moved
    return best if best.is_dir() else checkpoint
