"""The files that an evaluation leaves in its folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from wav2vec2_conformer.cli.failed_inputs import EXIT_NOTHING_DONE
from wav2vec2_conformer.cli.transcript_files import write_text

if TYPE_CHECKING:
    from wav2vec2_conformer.evaluation.recognition import Recognition
    from wav2vec2_conformer.evaluation.reference_set import Reference

HYPOTHESIS_NAMES = ("hypotheses.jsonl", "compared-hypotheses.jsonl")


def write_hypotheses(
    folder: Path, recognitions: Sequence["Recognition"], references: Sequence["Reference"]
) -> None:
    """Write what each system recognized, so that it can be scored again without a model."""
    from wav2vec2_conformer.evaluation.hypothesis_file import format_hypotheses

    for name, recognition in zip(HYPOTHESIS_NAMES, recognitions, strict=False):
        _write(folder / name, format_hypotheses(recognition, references))


def write_report(
    folder: Path,
    report: Mapping[str, Any],
    audio_paths: Sequence[Path],
    *,
    embed_audio_mb: float | None,
) -> None:
    """Write `report.json` and `report.html`.

    Args:
        folder: An existing folder.
        report: From `build_report`.
        audio_paths: Audio of each utterance of the report.
        embed_audio_mb: Put so much audio into the page, worst utterances first; None links it.
    """
    from wav2vec2_conformer.evaluation.report_html import embed_audio, link_audio, render_html

    _write(folder / "report.json", json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    if embed_audio_mb is None:
        sources = link_audio(audio_paths, folder)
    else:
        worst_first = sorted(
            range(len(audio_paths)), key=lambda i: -_count_errors(report["utterances"][i])
        )
        sources, num_embedded = embed_audio(audio_paths, folder, worst_first, embed_audio_mb)
        if num_embedded < len(audio_paths):
            typer.echo(
                f"note: {num_embedded} of {len(audio_paths)} audio files are inside "
                f"{folder / 'report.html'}, the others are linked (--embed-limit-mb).",
                err=True,
            )
    _write(folder / "report.html", render_html(report, sources))


def _write(path: Path, text: str) -> None:
    """Write a file, or say why that cannot be done and exit."""
    try:
        write_text(path, text)
    except OSError as error:
        typer.echo(f"error: cannot write {path}: {error.strerror}.", err=True)
        raise typer.Exit(EXIT_NOTHING_DONE) from error


def _count_errors(utterance: Mapping[str, Any]) -> int:
    words = utterance["systems"][-1]["words"]
    return int(words["substitutions"] + words["deletions"] + words["insertions"])
