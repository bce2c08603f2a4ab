"""`wav2vec2-conformer analyze`: who said what, and what kind of recording it is."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wav2vec2_conformer.checkpoints.bundled import BUNDLED, DIARIZATION_HEAD, DIGIT_HEAD
from wav2vec2_conformer.cli.audio_files import choose_sources
from wav2vec2_conformer.cli.failed_inputs import FailedInput, report_failures, write_failures
from wav2vec2_conformer.cli.format_flags import Language, MaxLineCount, MaxLineWidth, format_options
from wav2vec2_conformer.cli.model_flags import (
    AudioFiles,
    BatchSeconds,
    ComputeType,
    ContextSeconds,
    Device,
    Failures,
    ModelName,
    Quiet,
    WindowSeconds,
    check_failures_path,
    silence_loading,
)
from wav2vec2_conformer.cli.result_loop import add_unwritten, iter_results
from wav2vec2_conformer.cli.transcript_files import make_folder, plan_stems, write_text

if TYPE_CHECKING:
    from wav2vec2_conformer.formats import FormatOptions
    from wav2vec2_conformer.inference import Failure
    from wav2vec2_conformer.inference.analysis import Analysis
    from wav2vec2_conformer.inference.analyzer import Analyzer

NONE = "none"


def analyze(
    files: AudioFiles = None,
    *,
    model: ModelName = None,
    diarizer: Annotated[
        str,
        typer.Option(
            help="Checkpoint that tells who speaks; none for no speakers.",
            show_default="bundled diarization head",
        ),
    ] = f"{BUNDLED}{DIARIZATION_HEAD}",
    classifier: Annotated[
        str,
        typer.Option(
            help="Checkpoint that labels recordings; none for no labels.",
            show_default="bundled head for spoken digits",
        ),
    ] = f"{BUNDLED}{DIGIT_HEAD}",
    embedding_model: Annotated[
        str | None,
        typer.Option(
            help="Checkpoint that tells the voices of a long recording apart.",
            show_default="bundled speaker head",
        ),
    ] = None,
    num_speakers: Annotated[
        int | None, typer.Option(min=1, help="How many speak, where that is known.")
    ] = None,
    top_k: Annotated[int, typer.Option(min=1, help="Labels to show.")] = 3,
    window_seconds: WindowSeconds = 20.0,
    context_seconds: ContextSeconds = 2.0,
    device: Device = "auto",
    compute_type: ComputeType = "float32",
    batch_seconds: BatchSeconds = 60.0,
    demo: Annotated[bool, typer.Option("--demo", help="Analyze the clips in the package.")] = False,
    quiet: Quiet = False,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output-dir",
            help="Write NAME.json and NAME.srt for each input into this folder.",
            rich_help_panel="Output",
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object a line.", rich_help_panel="Output"),
    ] = False,
    max_line_width: MaxLineWidth = None,
    max_line_count: MaxLineCount = None,
    language: Language = None,
    failures: Failures = None,
) -> None:
    """Transcribe, tell who speaks, and label, with one run of the encoder.

    Prints a summary: labels, how long each speaker speaks, and who said what. A word belongs to
    the speaker who covers most of its time; of two who cover it equally, to the one who began
    first. Models with the same encoder share its run.
    """
    check_failures_path(failures)
    options = format_options(
        max_line_width=max_line_width,
        max_line_count=max_line_count,
        words=False,
        characters=False,
        language=language,
    )
    sources = choose_sources(files or [], demo=demo)
    if output_dir is not None:
        make_folder(output_dir)
    from wav2vec2_conformer.inference.analyzer import Analyzer

    silence_loading()
    analyzer = Analyzer.from_pretrained(
        model,
        diarizer=None if diarizer == NONE else diarizer,
        classifier=None if classifier == NONE else classifier,
        embedding_model=embedding_model,
        device=device,
        compute_type=compute_type,
        window_s=window_seconds,
        context_s=context_seconds,
    )
    _report_passes(analyzer)
    failed: list[FailedInput] = []
    stems = plan_stems(sources)

    def run(on_progress: Callable[[float], None]) -> "Iterator[tuple[int, Analysis | Failure]]":
        return enumerate(
            analyzer.analyze_many(
                sources,
                min_speakers=num_speakers or 1,
                max_speakers=num_speakers,
                top_k=top_k,
                batch_seconds=batch_seconds,
                on_progress=on_progress,
            )
        )

    try:
        for number, result in iter_results(run, sources, failed, is_quiet=quiet):
            _print(result, options, as_json=as_json)
            if output_dir is not None:
                try:
                    _write(result, output_dir / stems[number], options)
                except OSError as error:
                    add_unwritten(failed, result.source, f"into {output_dir}", error)
    finally:
        if failures is not None:
            write_failures(failures, failed)
    report_failures(failed, len(sources))


def _report_passes(analyzer: "Analyzer") -> None:
    """Say on stderr when there is more than one run of an encoder, and for what."""
    if len(analyzer.passes) > 1:
        runs = "; ".join(" and ".join(heads) for heads in analyzer.passes)
        typer.echo(
            f"note: the models have different encoders, which run one after another: {runs}.",
            err=True,
        )


def _print(result: "Analysis", options: "FormatOptions", *, as_json: bool) -> None:
    from wav2vec2_conformer.formats.analysis_files import analysis_as_json, format_analysis_text

    if as_json:
        typer.echo(json.dumps(analysis_as_json(result, options), ensure_ascii=False))
    else:
        typer.echo(format_analysis_text(result), nl=False)


def _write(result: "Analysis", stem: Path, options: "FormatOptions") -> None:
    """Write the files of a result, each as a whole or not at all.

    Raises:
        OSError: When one cannot be written.
    """
    from wav2vec2_conformer.formats.analysis_files import format_analysis_json, format_analysis_srt

    write_text(stem.with_name(f"{stem.name}.json"), format_analysis_json(result, options))
    write_text(stem.with_name(f"{stem.name}.srt"), format_analysis_srt(result, options))
