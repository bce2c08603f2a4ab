"""A progress bar on stderr that counts files and seconds of audio."""

import sys
import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class AudioProgress:
    """Shows files done, speed as times real time, and time left. A context manager.

    Args:
        num_files: Number of inputs.
        total_s: Seconds of audio in all of them together, None when not known.
        is_shown: False shows nothing; nor does a stderr that is not a terminal.
    """

    def __init__(self, num_files: int, total_s: float | None, *, is_shown: bool) -> None:
        console = Console(stderr=True)
        self._num_files = num_files
        self._num_done = 0
        self._done_s = 0.0
        self._start_s = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not (is_shown and console.is_terminal),
            transient=True,
            # Only where both are the same terminal: rich would send results to stderr.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._bar.add_task(self._describe(), total=total_s, speed="")

    def add_file(self) -> None:
        """Count one more input as done."""
        self._num_done += 1
        self._bar.update(self._task, description=self._describe())

    def add_audio(self, duration_s: float) -> None:
        """Count audio as done."""
        self._done_s += duration_s
        elapsed_s = time.monotonic() - self._start_s
        speed = f"{self._done_s / elapsed_s:.1f}x real time" if elapsed_s > 0 else ""
        self._bar.update(self._task, advance=duration_s, speed=speed)

    def _describe(self) -> str:
        return f"{self._num_done}/{self._num_files} files"

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Take the bar away."""
        self._bar.stop()
