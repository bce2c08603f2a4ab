"""`wav2vec2-conformer align`: audio and its text to times."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wav2vec2_conformer.cli.alignment_inputs import AlignmentInput, choose_inputs
from wav2vec2_conformer.cli.alignment_report import print_report, print_total, summarize
from wav2vec2_conformer.cli.failed_inputs import EXIT_SOME_FAILED, FailedInput, report_failures
from wav2vec2_conformer.cli.format_flags import (
    FormatsFolder,
    Language,
    MaxLineCount,
    MaxLineWidth,
    OutputFormat,
    format_names,
    format_options,
)
from wav2vec2_conformer.cli.model_flags import (
    AudioFiles,
    BatchSeconds,
    ComputeType,
    Device,
    ModelName,
    Quiet,
    RuntimeName,
    silence_loading,
)
from wav2vec2_conformer.cli.result_loop import add_unwritten, iter_results
from wav2vec2_conformer.cli.transcript_files import Output, plan_stems, write_text

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.aligner import Aligner
    from wav2vec2_conformer.inference.alignment import Alignment

# Formats that are a list of intervals, and what these are when nobody says.
_DEFAULT_UNITS = {"srt": "segment", "vtt": "segment", "tsv": "segment", "ctm": "word"}


def align(
    files: AudioFiles = None,
    *,
    text: Annotated[
        list[str] | None,
        typer.Option(
            help="Text of each audio file, a segment a line; once for each file, in the same "
            "order. Or a folder with a file NAME.txt for each."
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="Audio and texts together (JSON Lines: audio_filepath, duration, text)."),
    ] = None,
    model: ModelName = None,
    star: Annotated[
        Literal["segments", "words", "none"],
        typer.Option(help="Where there may be speech that the text lacks: around each of these."),
    ] = "segments",
    star_penalty: Annotated[
        float,
        typer.Option(min=0.0, help="What a frame of such speech costs (natural logarithm)."),
    ] = 1.0,
    device: Device = "auto",
    compute_type: ComputeType = "float32",
    runtime: RuntimeName = "auto",
    batch_seconds: BatchSeconds = 60.0,
    quiet: Quiet = False,
    output_dir: FormatsFolder = None,
    output_format: OutputFormat = "json",
    unit: Annotated[
        Literal["char", "word", "segment"] | None,
        typer.Option(
            help="What a line of tsv or ctm, or a cue of srt or vtt, holds; with char, json and "
            "textgrid get characters too.",
            show_default="word for ctm, segment for the others",
            rich_help_panel="Output",
        ),
    ] = None,
    max_line_width: MaxLineWidth = None,
    max_line_count: MaxLineCount = None,
    language: Language = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write scores and regions without a match into this file, a line of JSON for "
            "each input.",
            rich_help_panel="Output",
        ),
    ] = None,
) -> None:
    """Find when the words of a given text are said.

    Results go to stdout, or with -o into files. A summary of each input goes to stderr: how
    many words were aligned, and where text and audio do not match.
    """
    options = format_options(
        max_line_width=max_line_width,
        max_line_count=max_line_count,
        words=False,
        characters=unit == "char",
        language=language,
    )
    output = Output(output_dir, format_names(output_format), options)
    if report is not None and (report.is_dir() or not report.absolute().parent.is_dir()):
        raise typer.BadParameter(f"--report: {report} is a folder, or in none.")
    inputs = choose_inputs(files or [], text or [], manifest)
    output.check(len(inputs))
    from wav2vec2_conformer.inference.aligner import Aligner

    silence_loading()
    aligner = Aligner.from_pretrained(
        model, device=device, compute_type=compute_type, runtime=runtime
    )
    failed: list[FailedInput] = []
    summaries = []
    stems = plan_stems([pair.source for pair in inputs])
    for number, alignment in _iter_aligned(
        aligner,
        inputs,
        failed,
        is_quiet=quiet,
        star=star,
        star_penalty=star_penalty,
        batch_seconds=batch_seconds,
    ):
        if _deliver(alignment, stems[number], output, unit, failed):
            summaries.append(summarize(alignment))
            print_report(alignment)
    if len(summaries) > 1:
        print_total(summaries)
    if report is not None:
        _write_report(report, summaries)
    report_failures(failed, len(inputs))


def _iter_aligned(
    aligner: "Aligner",
    inputs: Sequence[AlignmentInput],
    failed: list[FailedInput],
    *,
    is_quiet: bool,
    **options: Any,
) -> Iterator[tuple[int, "Alignment"]]:
    """Align one input after another, and yield its number and alignment.

    Args:
        aligner: Aligns.
        inputs: What to align.
        failed: What cannot be aligned is added here.
        is_quiet: Shows no progress.
        options: As `Aligner.align` takes them.
    """
    from wav2vec2_conformer.errors import Wav2Vec2ConformerError
    from wav2vec2_conformer.inference.transcript import Failure

    def run(on_progress: Callable[[float], None]) -> "Iterator[tuple[int, Alignment | Failure]]":
        for number, pair in enumerate(inputs):
            try:
                alignment = aligner.align(
                    pair.source, pair.read_text(), on_progress=on_progress, **options
                )
            except Wav2Vec2ConformerError as error:
                yield number, Failure(pair.source, error)
            else:
                yield number, alignment

    return iter_results(run, [pair.source for pair in inputs], failed, is_quiet=is_quiet)


def _deliver(
    alignment: "Alignment",
    stem: str,
    output: Output,
    unit: Literal["char", "word", "segment"] | None,
    failed: list[FailedInput],
) -> bool:
    """Write or print an alignment in all formats; say whether that could be done."""
    for name in output.formats:
        one = replace(output, formats=(name,))
        default = _DEFAULT_UNITS.get(name)
        result = alignment if unit is None or default in (None, unit) else alignment.split(unit)
        if one.folder is None:
            one.print(result, stem, name=None)
            continue
        try:
            one.write(result, stem)
        except OSError as error:
            add_unwritten(failed, alignment.source, f"into {one.folder}", error)
            return False
    return True


def _write_report(path: Path, summaries: Sequence[dict[str, Any]]) -> None:
    lines = [json.dumps(summary, ensure_ascii=False) for summary in summaries]
    try:
        write_text(path, "".join(f"{line}\n" for line in lines))
    except OSError as error:
        typer.echo(f"error: cannot write {path}: {error.strerror}.", err=True)
        raise typer.Exit(EXIT_SOME_FAILED) from error
