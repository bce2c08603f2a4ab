"""How far a job on Ray is: a bar on a terminal, a line a minute in a log."""

import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

if TYPE_CHECKING:
    from wav2vec2_conformer.scale.batch_transcription import BatchProgress

_SECONDS_BETWEEN_LINES = 60.0


class JobProgress:
    """Shows parts done, recordings, speed as times real time, and time left. A context manager.

    Args:
        is_shown: False shows nothing.
    """

    def __init__(self, *, is_shown: bool) -> None:
        console = Console(stderr=True)
        self._is_shown = is_shown
        self._start_s = time.monotonic()
        self._last_line_s = self._start_s
        self._bar = Progress(
            BarColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=not (is_shown and console.is_terminal),
            transient=True,
        )
        self._task = self._bar.add_task("starting workers", total=None)

    def show(self, progress: "BatchProgress") -> None:
        """Show how far the job is."""
        now_s = time.monotonic()
        text = describe_progress(progress, now_s - self._start_s)
        if progress.num_parts_done:
            self._bar.update(
                self._task,
                total=progress.num_parts,
                completed=progress.num_parts_done,
                description=text,
            )
        is_due = now_s - self._last_line_s >= _SECONDS_BETWEEN_LINES
        if self._is_shown and self._bar.disable and is_due:
            self._last_line_s = now_s
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Take the bar away."""
        self._bar.stop()


def describe_progress(progress: "BatchProgress", elapsed_s: float) -> str:
    """Return parts done, recordings, speed and time left in words."""
    words = [
        f"{progress.num_parts_done}/{progress.num_parts} parts",
        f"{progress.num_done} recordings",
    ]
    if progress.num_failed:
        words.append(f"{progress.num_failed} failed")
    if progress.num_parts_done and elapsed_s > 0:
        words.append(f"{progress.audio_s / elapsed_s:.1f}x real time")
        share = progress.num_parts_done / progress.num_parts
        if progress.total_s and progress.audio_s:
            share = min(1.0, progress.audio_s / progress.total_s)
        words.append(f"{timedelta(seconds=round(elapsed_s * (1 / share - 1)))} left")
    return ", ".join(words)
