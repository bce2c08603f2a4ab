"""`wav2vec2-conformer check-data`: read a data set before a model is trained on it."""

import json
import os
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wav2vec2_conformer.cli.failed_inputs import EXIT_NOTHING_DONE, EXIT_SOME_FAILED
from wav2vec2_conformer.cli.transcript_files import write_text

if TYPE_CHECKING:
    from wav2vec2_conformer.data.clip_check import ClipCheck
    from wav2vec2_conformer.data.manifest import Utterance

# The feature encoder of every released checkpoint: a frame each 320 samples, of 400.
_CONV_KERNELS = (10, 3, 3, 3, 3, 2, 2)
_CONV_STRIDES = (5, 2, 2, 2, 2, 2, 2)


def check_data(
    data: Annotated[
        list[Path],
        typer.Argument(
            help="Data sets: manifest, Kaldi folder, fairseq tsv, CSV, Common Voice tsv, "
            "audiofolder, LibriSpeech or LJSpeech folder, lhotse cuts, tar shards, Parquet."
        ),
    ],
    *,
    output_dir: Annotated[
        Path, typer.Option("-o", "--output-dir", help="Folder for the report and clean.jsonl.")
    ],
    valid: Annotated[
        list[Path] | None, typer.Option(help="Validation data, which must not overlap.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("-m", "--model", help="Checkpoint whose vocabulary and frames are meant."),
    ] = None,
    vocab: Annotated[
        Path | None, typer.Option(help="Vocabulary instead: vocab.json or dict.ltr.txt.")
    ] = None,
    write_vocab: Annotated[
        Path | None, typer.Option(help="Build a vocabulary of the kept texts into this file.")
    ] = None,
    min_count: Annotated[
        int, typer.Option(min=1, help="Rarer characters stay out of --write-vocab.")
    ] = 1,
    letter_case: Annotated[
        Literal["lower", "upper", "keep"], typer.Option(help="Letters of --write-vocab.")
    ] = "lower",
    strip_arabic_marks: Annotated[
        bool,
        typer.Option("--strip-arabic-marks", help="Write Arabic texts without diacritics."),
    ] = False,
    min_duration_s: Annotated[float, typer.Option(help="Drop shorter utterances.")] = 0.1,
    max_duration_s: Annotated[
        float | None, typer.Option(help="Drop longer utterances.", show_default="no limit")
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(help="Drop this kind of finding too, such as clipping or valid-speaker."),
    ] = None,
    num_workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that decode.", show_default="all cores")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Decode all of a data set and report what would harm training.

    Writes report.html, report.json, report.txt, durations.png (extra plots) and clean.jsonl, a
    manifest without the utterances that are dropped. Exit code 0: nothing is dropped, 3:
    something is, 1: nothing is left.
    """
    from wav2vec2_conformer.data.check_report import find_dropped
    from wav2vec2_conformer.data.checks import DROPPED_BY_DEFAULT, KINDS, Limits
    from wav2vec2_conformer.data.inspection import Inspection

    unknown = set(drop or []) - KINDS.keys()
    if unknown:
        raise typer.BadParameter(
            f"--drop must be some of {', '.join(KINDS)}, got {', '.join(sorted(unknown))}."
        )
    if model is not None and vocab is not None:
        raise typer.BadParameter("give either --model or --vocab, which both say a vocabulary.")
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"cannot make {output_dir}: {error.strerror}.") from error
    if write_vocab is not None and not write_vocab.absolute().parent.is_dir():
        raise typer.BadParameter(f"--write-vocab: there is no folder {write_vocab.parent}.")
    utterances = _read(data, output_dir, "data", strip_arabic_marks=strip_arabic_marks)
    valid_utterances = _read(
        valid or [], output_dir, "valid", strip_arabic_marks=strip_arabic_marks
    )
    checks = _check([*utterances, *valid_utterances], num_workers, is_quiet=quiet)
    checks, valid_checks = checks[: len(utterances)], checks[len(utterances) :]
    vocabulary, count_frames = _load_vocabulary(model, vocab)
    inspection = Inspection(
        vocabulary,
        count_frames,
        letter_case=letter_case,
        limits=Limits(min_duration_s=min_duration_s, max_duration_s=max_duration_s),
    )
    findings = inspection.find(utterances, checks, valid_utterances, valid_checks)
    dropped_kinds = DROPPED_BY_DEFAULT | set(drop or [])
    report = inspection.build_report(utterances, checks, findings, dropped_kinds)
    if valid_utterances:
        valid_findings = inspection.find(valid_utterances, valid_checks)
        report["valid"] = inspection.build_report(
            valid_utterances, valid_checks, valid_findings, frozenset()
        )
    dropped = find_dropped(findings, dropped_kinds)
    durations = [c.duration_s or u.duration_s for u, c in zip(utterances, checks, strict=True)]
    kept = [
        replace(utterance, duration_s=durations[position])
        for position, utterance in enumerate(utterances)
        if position not in dropped
    ]
    plot = _plot(durations, dropped)
    _write_files(report, kept, plot, output_dir, ", ".join(map(str, data)))
    if write_vocab is not None and kept:
        from wav2vec2_conformer.text.vocabulary import build_vocabulary, format_vocabulary

        built = build_vocabulary(
            (u.text for u in kept), min_count=min_count, letter_case=letter_case
        )
        write_text(write_vocab, format_vocabulary(built))
        typer.echo(f"{write_vocab}: {len(built)} tokens", err=True)
    if not kept:
        raise typer.Exit(EXIT_NOTHING_DONE)
    if len(kept) < len(utterances):
        raise typer.Exit(EXIT_SOME_FAILED)


def _read(
    paths: Sequence[Path], output_dir: Path, purpose: str, *, strip_arabic_marks: bool
) -> list["Utterance"]:
    """Read data sets; what is missing is a finding, not an error."""
    from wav2vec2_conformer.data.reading import read_utterances
    from wav2vec2_conformer.text.characters import strip_arabic_marks as strip

    utterances = [
        utterance
        for number, path in enumerate(paths)
        for utterance in read_utterances(
            path, check_files=False, extract_to=output_dir / "audio" / f"{purpose}-{number}"
        )
    ]
    if strip_arabic_marks:
        utterances = [replace(u, text=strip(u.text)) for u in utterances]
    return utterances


def _check(
    utterances: Sequence["Utterance"], num_workers: int | None, *, is_quiet: bool
) -> list["ClipCheck"]:
    from wav2vec2_conformer.cli.progress import AudioProgress
    from wav2vec2_conformer.data.clip_check import iter_checks

    if num_workers is None:
        num_workers = os.cpu_count() or 1
    is_shown = not is_quiet and sys.stderr.isatty()
    checks = []
    total_s = sum(u.duration_s for u in utterances)
    with AudioProgress(len(utterances), total_s, is_shown=is_shown) as progress:
        for utterance, check in zip(utterances, iter_checks(utterances, num_workers), strict=True):
            progress.add_file()
            progress.add_audio(utterance.duration_s)
            checks.append(check)
    return checks


def _load_vocabulary(
    model: str | None, vocab: Path | None
) -> tuple[dict[str, int] | None, Callable[[int], int]]:
    """Return the vocabulary to compare texts with, and how frames are counted."""
    kernels: Sequence[int] = _CONV_KERNELS
    strides: Sequence[int] = _CONV_STRIDES
    vocabulary = None
    if vocab is not None:
        from wav2vec2_conformer.checkpoints.dictionary import read_dictionary

        vocabulary = read_dictionary(vocab)
    elif model is not None:
        from wav2vec2_conformer.checkpoints.location import locate_checkpoint
        from wav2vec2_conformer.checkpoints.processor import load_processor
        from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig

        place = locate_checkpoint(model)
        vocabulary = load_processor(place).tokenizer.get_vocab()
        config = Wav2Vec2ConformerConfig.from_pretrained(place)
        kernels, strides = config.conv_kernel, config.conv_stride
    from wav2vec2_conformer.data.checks import build_frame_counter

    return vocabulary, build_frame_counter(kernels, strides)


def _plot(durations_s: Sequence[float], dropped: Collection[int]) -> bytes | None:
    """Return the picture of the durations; None, and a note, without matplotlib."""
    from wav2vec2_conformer.data.duration_plot import plot_durations
    from wav2vec2_conformer.errors import MissingExtraError

    try:
        return plot_durations(
            [s for i, s in enumerate(durations_s) if i not in dropped],
            [s for i, s in enumerate(durations_s) if i in dropped],
        )
    except MissingExtraError as error:
        typer.echo(f"note: {error}", err=True)
        return None


def _write_files(
    report: dict[str, Any],
    kept: Sequence["Utterance"],
    plot: bytes | None,
    output_dir: Path,
    title: str,
) -> None:
    """Write the report and the cleaned manifest, and print the report."""
    from wav2vec2_conformer.data.check_page import render_page
    from wav2vec2_conformer.data.check_report import format_report
    from wav2vec2_conformer.data.manifest import format_manifest

    text = format_report(report)
    files = {
        "report.html": render_page(report, title, plot),
        "report.json": json.dumps(report, ensure_ascii=False, indent=1) + "\n",
        "report.txt": text,
        "clean.jsonl": format_manifest(kept, output_dir),
    }
    try:
        for name, content in files.items():
            write_text(output_dir / name, content)
        if plot is not None:
            picture = output_dir / ".durations.png.tmp"
            picture.write_bytes(plot)
            picture.replace(output_dir / "durations.png")
    except OSError as error:
        typer.echo(f"error: cannot write into {output_dir}: {error.strerror}.", err=True)
        raise typer.Exit(EXIT_NOTHING_DONE) from error
    typer.echo(text, nl=False)
