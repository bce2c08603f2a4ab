"""What an alignment is worth, for people on stderr and for programs in a file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from wav2vec2_conformer.formats.json_transcript import mismatch_as_json

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.alignment import Alignment, Mismatch

_MAX_SHOWN = 10
_MAX_TEXT_SHOWN = 60


def print_report(alignment: "Alignment") -> None:
    """Print a line about an alignment, and below it the first regions that do not match."""
    num_words = len(alignment.words)
    num_unaligned = sum(not word.is_aligned for word in alignment.words)
    parts = [_count(num_words, "word")]
    if num_unaligned:
        parts.append(
            f"{num_unaligned} without letters that the model has (times between the others')"
        )
    parts.append(f"mean score {alignment.confidence:.2f}")
    num_regions = len(alignment.mismatches)
    if num_regions:
        parts.append(f"{_count(num_regions, 'region')} without a match:")
    typer.echo(f"{alignment.source}: {', '.join(parts)}", err=True)
    for region in alignment.mismatches[:_MAX_SHOWN]:
        typer.echo(f"  {_describe(region)}", err=True)
    if num_regions > _MAX_SHOWN:
        typer.echo(f"  and {num_regions - _MAX_SHOWN} more (--report FILE has all)", err=True)


def summarize(alignment: "Alignment") -> dict[str, Any]:
    """Return the report as values of JSON; times are in seconds."""
    return {
        "file": alignment.source,
        "duration": round(alignment.duration_s, 3),
        "num_words": len(alignment.words),
        "num_unaligned_words": sum(not word.is_aligned for word in alignment.words),
        "score": round(alignment.confidence, 4),
        "log_score_per_frame": round(alignment.log_score, 4),
        "mismatches": [mismatch_as_json(region) for region in alignment.mismatches],
    }


def print_total(summaries: Sequence[dict[str, Any]]) -> None:
    """Print one line about several alignments, from what `summarize` returns."""
    num_words = sum(summary["num_words"] for summary in summaries)
    num_unaligned = sum(summary["num_unaligned_words"] for summary in summaries)
    num_aligned = num_words - num_unaligned
    score = sum(
        summary["score"] * (summary["num_words"] - summary["num_unaligned_words"])
        for summary in summaries
    )
    num_regions = sum(len(summary["mismatches"]) for summary in summaries)
    typer.echo(
        f"{len(summaries)} files: {_count(num_words, 'word')}, {num_unaligned} not spelled, mean "
        f"score {score / num_aligned:.2f}, {_count(num_regions, 'region')} without a match",
        err=True,
    )


def _describe(region: "Mismatch") -> str:
    text = region.text
    if len(text) > _MAX_TEXT_SHOWN:
        text = f"{text[:_MAX_TEXT_SHOWN].rstrip()} ..."
    return (
        f"{_clock(region.start_s)} - {_clock(region.end_s)}  {region.kind} "
        f"(score {region.score:.2f}): {text}"
    )


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(time_s, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{seconds:05.2f}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
