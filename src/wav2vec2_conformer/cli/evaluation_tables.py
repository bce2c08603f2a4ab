"""An evaluation on the terminal: tables with lines and colours there, plain text in a pipe."""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from wav2vec2_conformer.evaluation.bootstrap import Interval
    from wav2vec2_conformer.evaluation.comparison import Comparison
    from wav2vec2_conformer.evaluation.error_counts import ErrorCounts
    from wav2vec2_conformer.evaluation.report_json import System
    from wav2vec2_conformer.evaluation.slices import Slice
    from wav2vec2_conformer.evaluation.word_alignment import Edit

MAX_SLICES_SHOWN = 10
_PIPE_WIDTH = 10_000  # nothing is wrapped or cut in a pipe


def print_evaluation(
    systems: Sequence["System"],
    comparison: "Comparison | None",
    *,
    manifest: str,
    num_worst: int,
    memory_mb: float | None,
) -> None:
    """Print one or two systems to stdout.

    Args:
        systems: What was evaluated, on the same utterances.
        comparison: Of the second with the first.
        manifest: Name of the test set.
        num_worst: Utterances that are shown with their errors, those of the last system.
        memory_mb: Peak memory of the process.
    """
    from wav2vec2_conformer.evaluation.comparison import explain

    console = _open_console()
    evaluation = systems[-1].evaluation
    drawn = "utterances" if evaluation.resampled == "utterance" else "speakers"
    _print(console, f"{manifest}: {len(evaluation.utterances)} utterances", style="bold")
    _print(
        console,
        f"normalizer {evaluation.normalizer}; 95% intervals over "
        f"{evaluation.num_resampled} {drawn}",
    )
    for system in systems:
        _print_system(console, system)
    if memory_mb is not None:
        _print(console, f"peak memory {memory_mb:.0f} MB")
    if comparison is not None:
        names = [system.recognition.name for system in systems]
        _print_heading(console, "Difference")
        rate = "WER" if comparison.unit == "word" else "CER"
        _print(
            console,
            f"{rate} {100 * comparison.difference:+.2f} points"
            + _relative(comparison.relative_difference)
            + _interval_of_points(comparison.interval),
        )
        _print(
            console,
            f"{names[1]} is better in {comparison.num_better}, worse in "
            f"{comparison.num_worse}, equal in {comparison.num_equal} utterances",
        )
        _print(console, explain(comparison, *names))
    for key, parts in evaluation.slices.items():
        others = [system.evaluation.slices[key] for system in systems]
        _print_slices(console, key, parts, others, evaluation.unit)
    _print_worst(console, systems[-1], num_worst)


def _open_console() -> Console:
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(file=sys.stdout, highlight=False, width=_PIPE_WIDTH)


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(Text(_printable(text), style=style), soft_wrap=True)


def _print_heading(console: Console, text: str) -> None:
    console.print()
    _print(console, text, style="bold")


def _printable(text: str) -> str:
    """Show what would move the cursor or hide text; transcripts and names may hold anything."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _new_table(console: Console, titles: Iterable[str]) -> Table:
    style = box.SIMPLE_HEAD if console.is_terminal else None
    table = Table(box=style, pad_edge=False, show_edge=False, header_style="")
    for position, title in enumerate(titles):
        table.add_column(
            title,
            justify="left" if position == 0 else "right",
            no_wrap=True,
            overflow="ellipsis",
        )
    return table


def _print_system(console: Console, system: "System") -> None:
    recognition, evaluation = system.recognition, system.evaluation
    _print_heading(console, recognition.name)
    titles = ["", "rate", "95% interval", "sub.", "del.", "ins.", "reference"]
    table = _new_table(console, titles)
    for name, counts, interval in (
        ("WER", evaluation.words, evaluation.wer_interval),
        ("CER", evaluation.characters, evaluation.cer_interval),
    ):
        numbers = (counts.substitutions, counts.deletions, counts.insertions, counts.num_reference)
        table.add_row(name, _percent(counts), _interval(interval), *map(str, numbers))
    console.print(table)
    speed = recognition.speed
    if speed is not None:
        _print(
            console,
            f"{speed.times_real_time:.1f} x real time "
            f"({speed.audio_s:.0f} s of audio in {speed.wall_s:.1f} s)",
        )
    if recognition.failures:
        _print(console, f"{len(recognition.failures)} failed, left out of every rate")


def _print_slices(
    console: Console,
    key: str,
    parts: Sequence["Slice"],
    by_system: Sequence[Sequence["Slice"]],
    unit: str,
) -> None:
    rate = "WER" if unit == "word" else "CER"
    is_pair = len(by_system) > 1
    _print_heading(console, f"By {key}")
    titles = ["", "utterances", *([f"{rate} 1", f"{rate} 2"] if is_pair else [rate])]
    interval = "95% interval 2" if is_pair else "95% interval"
    table = _new_table(console, [*titles, interval, f"{unit}s"])
    others = [{part.label: part for part in slices} for slices in by_system]
    for part in parts[:MAX_SLICES_SHOWN]:
        table.add_row(
            Text(_printable(part.label)),
            str(part.num_utterances),
            *(_percent(slices[part.label].counts) for slices in others),
            _interval(part.interval),
            str(part.counts.num_reference),
        )
    console.print(table)
    num_left = len(parts) - MAX_SLICES_SHOWN
    if num_left > 0:
        _print(console, f"and {num_left} more with lower rates")


def _print_worst(console: Console, system: "System", num_worst: int) -> None:
    evaluation = system.evaluation
    worst = evaluation.worst(num_worst)
    if not worst:
        return
    _print_heading(console, f"Most errors of {system.recognition.name}")
    _print(console, "[-said, not recognized-] {+recognized, not said+}", style="dim")
    for utterance in worst:
        counts = utterance.counts(evaluation.unit)
        console.print()
        _print(
            console,
            f"{counts.num_errors} errors in {counts.num_reference} {evaluation.unit}s "
            f"({_percent(counts)})  {utterance.name}",
        )
        console.print(_diff(utterance.edits, evaluation.unit), soft_wrap=not console.is_terminal)


def _diff(edits: Sequence["Edit"], unit: str) -> Text:
    """Return a line in the notation of wdiff."""
    pieces: list[Text] = []
    for edit in edits:
        if edit.is_equal:
            pieces.append(Text(_printable(edit.reference or "")))
            continue
        piece = Text()
        if edit.reference is not None:
            piece.append(f"[-{_printable(edit.reference)}-]", style="red")
        if edit.hypothesis is not None:
            piece.append(f"{{+{_printable(edit.hypothesis)}+}}", style="blue")
        pieces.append(piece)
    return Text(" " if unit == "word" else "").join(pieces)


def _percent(counts: "ErrorCounts") -> str:
    return f"{counts.rate:.2%}"


def _interval(interval: "Interval | None") -> str:
    return "-" if interval is None else f"{100 * interval.low:.2f}-{interval.high:.2%}"


def _interval_of_points(interval: "Interval | None") -> str:
    if interval is None:
        return ""
    return f", 95% interval {100 * interval.low:+.2f} to {100 * interval.high:+.2f}"


def _relative(part: float | None) -> str:
    if part is None:
        return ""
    return f" ({abs(part):.1%} {'fewer' if part < 0 else 'more'} errors)"
