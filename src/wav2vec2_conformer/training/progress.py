"""Progress of a run, one line per logging interval and per evaluation."""

import datetime as dt
import logging
import time
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from wav2vec2_conformer.training.report.metrics import format_metric, label_metric
from wav2vec2_conformer.training.schedule import TrainingClock

logger = logging.getLogger(__name__)

SAMPLE_RATE_HZ = 16_000

# What is told of an evaluation, where a task has it.
METRICS = ("loss", "wer", "cer", "eer", "frame_error_rate", "accuracy", "macro_f1")


class ProgressLog(TrainerCallback):
    """Log loss, learning rate, hours, speed and time left; after an evaluation, its scores.

    The speed is seconds of audio per second, evaluations and saving left out. It needs
    `include_num_input_tokens_seen="non_padding"`, which for audio counts samples.

    Args:
        clock: Clock of the run.
    """

    def __init__(self, clock: TrainingClock) -> None:
        self._clock = clock
        self._mark_s = time.monotonic()
        self._mark_samples = 0

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Start measuring."""
        self._mark(state)

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: dict[str, float] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Log a line of training."""
        if not logs or "loss" not in logs:
            return
        audio_s = (state.num_input_tokens_seen - self._mark_samples) / SAMPLE_RATE_HZ
        speed = audio_s / max(time.monotonic() - self._mark_s, 1e-9)
        done = self._clock.progress(state.global_step, state.max_steps)
        left_s = self._clock.elapsed_s * (1 - done) / max(done, 1e-9)
        logger.info(
            "step %d  %.1f %%  epoch %.2f  %.2f h of audio  loss %.4f  lr %.2e  grad %.2f  "
            "%.0fx real time  left %s",
            state.global_step,
            100 * done,
            state.epoch or 0.0,
            state.num_input_tokens_seen / SAMPLE_RATE_HZ / 3600,
            logs["loss"],
            logs["learning_rate"],
            logs.get("grad_norm", float("nan")),
            speed,
            dt.timedelta(seconds=round(left_s)),
        )
        self._mark(state)

    def on_evaluate(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        metrics: dict[str, float] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Log a line of evaluation."""
        metrics = metrics or {}
        scores = [
            f"{label_metric(name)} {format_metric(name, metrics[f'eval_{name}'])}"
            for name in METRICS
            if f"eval_{name}" in metrics
        ]
        logger.info(
            "step %d  validation: %s  in %.0f s",
            state.global_step,
            "  ".join(scores),
            metrics.get("eval_runtime", float("nan")),
        )
        self._mark(state)

    def on_save(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Leave the time of saving out of the speed."""
        self._mark(state)

    def _mark(self, state: TrainerState) -> None:
        self._mark_s = time.monotonic()
        self._mark_samples = state.num_input_tokens_seen
