"""Results of many inputs, one after another: progress, warnings, failures, and Ctrl-C."""

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import typer

from wav2vec2_conformer.cli.failed_inputs import FailedInput
from wav2vec2_conformer.cli.interruption import EXIT_INTERRUPTED, UntilInterrupted

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.transcript import Failure

R = TypeVar("R")


def iter_results(
    run: Callable[[Callable[[float], None]], "Iterable[tuple[int, R | Failure]]"],
    sources: Sequence[str],
    failed: list[FailedInput],
    *,
    is_quiet: bool,
) -> Iterator[tuple[int, R]]:
    """Yield the number and result of each input under a progress bar on stderr.

    Ctrl-C does not fall into what the caller does with a result: it ends the iteration before
    the next one.

    Args:
        run: Takes a function to call with the seconds of audio done; gives numbers of inputs
            with their results.
        sources: The inputs.
        failed: What fails is added here, and is not yielded.
        is_quiet: Shows no progress.

    Raises:
        typer.Exit: With 130 when Ctrl-C was pressed.
    """
    from wav2vec2_conformer.audio import TruncatedAudioWarning, read_duration
    from wav2vec2_conformer.cli.progress import AudioProgress
    from wav2vec2_conformer.inference.transcript import Failure

    is_shown = not is_quiet and sys.stderr.isatty()
    total_s = sum(read_duration(source) or 0.0 for source in sources) if is_shown else None
    with (
        warnings.catch_warnings(record=True) as caught,
        AudioProgress(len(sources), total_s, is_shown=is_shown) as progress,
    ):
        warnings.simplefilter("always", TruncatedAudioWarning)
        results = UntilInterrupted(run(progress.add_audio))
        for number, result in results:
            progress.add_file()
            _print_warnings(caught)
            if isinstance(result, Failure):
                reason = str(result.error)
                if result.source not in reason:
                    reason = f"{result.source}: {reason}"
                failed.append(FailedInput(result.source, type(result.error).__name__, reason))
            else:
                yield number, result
    if results.is_interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)


def add_unwritten(failed: list[FailedInput], source: str, place: str, error: OSError) -> None:
    """Add an input whose result cannot be written.

    Args:
        failed: It is added here.
        source: Name of the input.
        place: What cannot be written, or `into` what.
        error: Why.
    """
    reason = f"{source}: cannot write {place}: {error.strerror}."
    failed.append(FailedInput(source, type(error).__name__, reason))


def _print_warnings(caught: list[warnings.WarningMessage]) -> None:
    """Print what is wrong with an input, and not where in the source that was noticed."""
    for warning in caught:
        typer.echo(f"warning: {warning.message}", err=True)
    caught.clear()
