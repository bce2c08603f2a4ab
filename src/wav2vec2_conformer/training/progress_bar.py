"""A progress bar of a run on the terminal, in between the lines of its log."""

import datetime as dt
import logging
import sys
import time
from typing import Any, TextIO

from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from wav2vec2_conformer.training.schedule import TrainingClock

_SAMPLE_RATE_HZ = 16_000
_PACKAGE = "wav2vec2_conformer"
# A mean over about so many updates.
_SPEED_UPDATES = 20


class ProgressBar(TrainerCallback):
    """Show the part of the run that is done, hours of audio, speed and time left.

    It is on stderr, only where that is a terminal, and gone when training ends. Lines of the
    package's log go above it. Hours need `include_num_input_tokens_seen="non_padding"`.

    Args:
        clock: Clock of the run.
    """

    def __init__(self, clock: TrainingClock) -> None:
        self._clock = clock
        self._bar: tqdm[Any] | None = None
        self._moved: list[tuple[logging.StreamHandler[Any], TextIO]] = []
        self._last_s = 0.0
        self._last_samples = 0
        self._speed = 0.0

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Show the bar."""
        if not (state.is_local_process_zero and sys.stderr.isatty()):
            return
        self._bar = tqdm(
            total=100,
            file=sys.stderr,
            leave=False,
            dynamic_ncols=True,
            bar_format="{percentage:5.1f} % |{bar}| {desc}",
        )
        for handler in logging.getLogger(_PACKAGE).handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
                self._moved.append((handler, handler.stream))
                handler.setStream(_AboveBar(sys.stderr))
        self._last_s, self._last_samples = time.monotonic(), state.num_input_tokens_seen

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Move the bar."""
        if self._bar is None:
            return
        now_s = time.monotonic()
        samples = state.num_input_tokens_seen - self._last_samples
        speed = samples / _SAMPLE_RATE_HZ / max(now_s - self._last_s, 1e-9)
        self._speed += (speed - self._speed) / min(_SPEED_UPDATES, max(state.global_step, 1))
        self._last_s, self._last_samples = now_s, state.num_input_tokens_seen
        done = self._clock.progress(state.global_step, state.max_steps)
        left_s = self._clock.elapsed_s * (1 - done) / max(done, 1e-9)
        self._bar.n = 100 * done
        hours = state.num_input_tokens_seen / _SAMPLE_RATE_HZ / 3600
        self._bar.set_description_str(
            f"step {state.global_step}  {hours:.2f} h of audio  {self._speed:.0f}x real time  "
            f"left {dt.timedelta(seconds=round(left_s))}"
        )
        # Whatever ends the run, its message goes over the bar and not behind it.
        sys.stderr.write("\r")
        sys.stderr.flush()

    def on_train_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        for handler, stream in self._moved:
            handler.setStream(stream)
        self._moved.clear()


class _AboveBar:
    """A stream that writes whole lines above the bar.

    Args:
        stream: The terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write a line, its end included."""
        tqdm.write(text, file=self._stream, end="")

    def flush(self) -> None:
        """Nothing is held back."""
