"""What the training commands print, and which of several processes does."""

import logging
import os
import sys
from pathlib import Path

import typer


def log_to_stderr() -> None:
    """Send the package's log to stderr, with the time of day; of the first process alone."""
    logger = logging.getLogger("wav2vec2_conformer")
    logger.setLevel(logging.INFO if _is_first_process() else logging.WARNING)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.handlers[:] = [handler]


def print_result(result: str | Path) -> None:
    """Print what a command made to stdout, once."""
    if _is_first_process():
        typer.echo(result)


def _is_first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"  # torchrun numbers the processes
