"""Learning rate and end of a run, by updates or by the clock, whichever is further on."""

import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.training.saved_state import saved_attributes

# The learning rate as a part of its peak, of updates done and the part of the run that is done.
Schedule = Callable[[int, float], float]


class TrainingClock(TrainerCallback, ExportableState):
    """Measure the time of a run over all its resumptions, and end it at a limit.

    The time goes into each checkpoint, so a resumed run has what was left when the
    checkpoint was made. At its end a run evaluates and saves, which comes on top.

    Args:
        time_limit_s: Budget in seconds of wall-clock time, None for no limit.

    Raises:
        InputError: The limit is not positive.
    """

    def __init__(self, time_limit_s: float | None = None) -> None:
        if time_limit_s is not None and not time_limit_s > 0:
            raise InputError(f"the time limit must be positive, got {time_limit_s} s")
        self.time_limit_s = time_limit_s
        self._before_s = 0.0
        self._started_s = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds of training so far, those before a resumption included."""
        return self._before_s + time.monotonic() - self._started_s

    def progress(self, step: int, max_steps: int) -> float:
        """Return the part of the run that is done, from 0 to 1.

        Args:
            step: Updates done.
            max_steps: Updates after which the run ends.
        """
        done = step / max_steps
        if self.time_limit_s is not None:
            done = max(done, self.elapsed_s / self.time_limit_s)
        return min(done, 1.0)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {
            "args": {"time_limit_s": self.time_limit_s},
            "attributes": {"elapsed_s": self.elapsed_s},
        }

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Go on from the time in the checkpoint, if the run is resumed."""
        self._before_s = saved_elapsed_s(state)
        self._started_s = time.monotonic()

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Stop at the limit; at any end ask for the last log line, scores and checkpoint.

        A checkpoint also ends a logging interval, whose sum of losses it does not hold:
        what is logged after it is then the same in a run that resumes from it.
        """
        if self.time_limit_s is not None and self.elapsed_s >= self.time_limit_s:
            control.should_training_stop = True
        if control.should_training_stop:
            control.should_log = True
            control.should_evaluate = args.eval_strategy != "no"
            control.should_save = True
        if control.should_save:
            control.should_log = True


def build_clock(time_limit_minutes: float | None) -> TrainingClock:
    """Return the clock of a run.

    Raises:
        InputError: The time limit is not positive.
    """
    return TrainingClock(None if time_limit_minutes is None else 60 * time_limit_minutes)


def saved_elapsed_s(state: TrainerState) -> float:
    """Return the seconds of training that a checkpoint's state tells of, 0 if none."""
    return float(saved_attributes(state, TrainingClock).get("elapsed_s", 0.0))


def linear_schedule(warmup_steps: int) -> Schedule:
    """Return a linear rise over the warm-up and a linear fall to 0 at the end of the run.

    A run with a time limit reaches 0 at the limit, however fast the machine is.

    Args:
        warmup_steps: Updates of the warm-up.
    """

    def schedule(step: int, progress: float) -> float:
        warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
        return warmup * (1.0 - progress)

    return schedule


def tri_stage_schedule(
    warmup_ratio: float = 0.1,
    hold_ratio: float = 0.4,
    *,
    initial_scale: float = 0.01,
    final_scale: float = 0.05,
) -> Schedule:
    """Return a linear rise, a constant stage, and an exponential fall.

    Paper: Park et al. 2019, "SpecAugment", Section 3.2; the defaults are those of wav2vec
    2.0's fine-tuning.

    Args:
        warmup_ratio: Part of the run that is the rise.
        hold_ratio: Part of the run at the peak. The fall takes what is left.
        initial_scale: First learning rate as a part of the peak.
        final_scale: Last learning rate as a part of the peak.

    Raises:
        InputError: A ratio is negative, they leave nothing for the fall, or a scale is not
            in (0, 1].
    """
    if warmup_ratio < 0 or hold_ratio < 0 or not warmup_ratio + hold_ratio < 1:
        raise InputError(
            "the rise and the constant stage must be parts of the run, 0 or more and below 1 "
            f"together, got {warmup_ratio} and {hold_ratio}"
        )
    if not (0 < initial_scale <= 1 and 0 < final_scale <= 1):
        raise InputError(
            "the first and last learning rate must be parts of the peak, above 0 and at most "
            f"1, got {initial_scale} and {final_scale}"
        )

    def schedule(step: int, progress: float) -> float:  # noqa: ARG001 - the stages are ratios
        if progress < warmup_ratio:
            return initial_scale + (1 - initial_scale) * progress / warmup_ratio
        falling = (progress - warmup_ratio - hold_ratio) / (1 - warmup_ratio - hold_ratio)
        return final_scale ** max(0.0, falling)

    return schedule
