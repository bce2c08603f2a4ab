"""What could not be done, for people and for programs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from wav2vec2_conformer.cli.transcript_files import write_text

EXIT_NOTHING_DONE = 1
EXIT_SOME_FAILED = 3


@dataclass(frozen=True, slots=True)
class FailedInput:
    """An input without a result.

    Attributes:
        source: The input as it was named.
        kind: Class of the error.
        reason: What is wrong, beginning with the input's name.
    """

    source: str
    kind: str
    reason: str


def write_failures(path: Path, failures: Sequence[FailedInput]) -> None:
    """Write a line of JSON for each failed input; an empty file when none failed.

    Raises:
        typer.Exit: When it cannot be written; why is printed.
    """
    lines = [
        json.dumps(
            {"file": failure.source, "error": failure.kind, "message": failure.reason},
            ensure_ascii=False,
        )
        for failure in failures
    ]
    try:
        write_text(path, "".join(f"{line}\n" for line in lines))
    except OSError as error:
        typer.echo(f"error: cannot write {path}: {error.strerror}.", err=True)
        raise typer.Exit(EXIT_SOME_FAILED) from error


def report_failures(failures: Sequence[FailedInput], num_inputs: int) -> None:
    """List what failed on stderr, and exit accordingly.

    Args:
        failures: May be empty; then nothing happens.
        num_inputs: All inputs, those that were done before too.

    Raises:
        typer.Exit: With 1 when all inputs failed, with 3 when some did.
    """
    if not failures:
        return
    typer.echo(f"{len(failures)} of {num_inputs} inputs failed:", err=True)
    for failure in failures:
        typer.echo(f"  {failure.reason}", err=True)
    raise typer.Exit(EXIT_NOTHING_DONE if len(failures) == num_inputs else EXIT_SOME_FAILED)
