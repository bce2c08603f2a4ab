"""`wav2vec2-conformer transcribe`: audio files to text."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wav2vec2_conformer.cli.audio_files import choose_sources
from wav2vec2_conformer.cli.decoding_flags import (
    Alpha,
    BeamWidth,
    Beta,
    Greedy,
    HotWords,
    HotWordWeight,
    LanguageModelFile,
    NumBest,
    decoding_options,
)
from wav2vec2_conformer.cli.failed_inputs import FailedInput, report_failures, write_failures
from wav2vec2_conformer.cli.format_flags import (
    Characters,
    FormatsFolder,
    Language,
    MaxLineCount,
    MaxLineWidth,
    OutputFormat,
    Words,
    format_names,
    format_options,
)
from wav2vec2_conformer.cli.model_flags import (
    AudioFiles,
    BatchSeconds,
    ComputeType,
    ContextSeconds,
    CudaGraphs,
    Device,
    Failures,
    ModelName,
    Quiet,
    RuntimeName,
    WindowSeconds,
    check_failures_path,
    silence_loading,
)
from wav2vec2_conformer.cli.ray_transcription import (
    CpusPerWorker,
    GpusPerWorker,
    ManifestPlace,
    OutputPlace,
    RayAddress,
    Workers,
    check_ray_flags,
    decoding_values,
    read_pool,
    transcribe_on_ray,
)
from wav2vec2_conformer.cli.reference_scores import read_references, report_errors
from wav2vec2_conformer.cli.result_loop import add_unwritten, iter_results
from wav2vec2_conformer.cli.transcript_files import Output, plan_stems

if TYPE_CHECKING:
    from wav2vec2_conformer.inference import Failure, Transcriber, Transcript


def transcribe(
    files: AudioFiles = None,
    *,
    model: ModelName = None,
    target_lang: Annotated[
        str | None,
        typer.Option(help="Language whose adapter is used, such as ara. [default: the model's]"),
    ] = None,
    device: Device = "auto",
    compute_type: ComputeType = "float32",
    runtime: RuntimeName = "auto",
    cuda_graphs: CudaGraphs = False,
    batch_seconds: BatchSeconds = 60.0,
    window_seconds: WindowSeconds = 30.0,
    context_seconds: ContextSeconds = 3.0,
    vad: Annotated[
        bool, typer.Option("--vad", help="Run the model only where somebody speaks.")
    ] = False,
    vad_method: Annotated[
        Literal["energy", "silero"] | None,
        typer.Option(
            help="How speech is found: by loudness, or by a network (extra vad). Implies --vad.",
            show_default="energy",
        ),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(
            help="Manifest (JSON Lines: audio_filepath, duration, text) to score against; "
            "rates go to stderr. Both sides are spelled with the model's vocabulary first."
        ),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Transcribe the clips in the package.")
    ] = False,
    quiet: Quiet = False,
    output_dir: FormatsFolder = None,
    output_format: OutputFormat = "txt",
    max_line_width: MaxLineWidth = None,
    max_line_count: MaxLineCount = None,
    words: Words = False,
    characters: Characters = False,
    language: Language = None,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Leave out inputs whose files are all in the folder of -o.",
            rich_help_panel="Output",
        ),
    ] = False,
    failures: Failures = None,
    greedy: Greedy = False,
    beam_width: BeamWidth = None,
    num_best: NumBest = None,
    language_model: LanguageModelFile = None,
    alpha: Alpha = None,
    beta: Beta = None,
    hot_words: HotWords = None,
    hot_word_weight: HotWordWeight = None,
    ray: RayAddress = None,
    manifest: ManifestPlace = None,
    output_place: OutputPlace = None,
    workers: Workers = None,
    cpus_per_worker: CpusPerWorker = None,
    gpus_per_worker: GpusPerWorker = None,
) -> None:
    """Transcribe audio to text.

    The text goes to stdout: bare for one input, `name<TAB>text` lines for several, or with
    -f json one JSON object a line. With -o each input gets files of its own instead. With --ray
    many workers transcribe a manifest into Parquet.
    """
    speech_detection = vad_method or ("energy" if vad else None)
    check_ray_flags(
        ray,
        needed={"--manifest": manifest, "--output": output_place},
        others={
            "--workers": workers,
            "--cpus-per-worker": cpus_per_worker,
            "--gpus-per-worker": gpus_per_worker,
        },
        refused={
            "FILES": files,
            "--demo": demo,
            "--references": references,
            "--output-dir": output_dir,
            "--skip-existing": skip_existing,
            "--failures": failures,
            "--nbest": num_best,
        },
    )
    if ray is not None and manifest is not None and output_place is not None:
        transcribe_on_ray(
            ray,
            manifest,
            output_place,
            read_pool(workers, cpus_per_worker, gpus_per_worker),
            {
                "model": model,
                "device": device,
                "compute_type": compute_type,
                "runtime": runtime,
                "cuda_graphs": cuda_graphs,
                "target_lang": target_lang,
                "window_s": window_seconds,
                "context_s": context_seconds,
                "speech_detection": speech_detection,
                "batch_seconds": batch_seconds,
                "language_model": language_model,
                "is_greedy": greedy,
                "decoding": decoding_values(
                    greedy=greedy,
                    language_model=language_model,
                    beam_width=beam_width,
                    alpha=alpha,
                    beta=beta,
                    hot_words=hot_words,
                    hot_word_weight=hot_word_weight,
                ),
            },
            is_quiet=quiet,
        )
        return
    output = Output(
        output_dir,
        format_names(output_format),
        format_options(
            max_line_width=max_line_width,
            max_line_count=max_line_count,
            words=words,
            characters=characters,
            language=language,
        ),
    )
    if skip_existing and output_dir is None:
        raise typer.BadParameter("--skip-existing looks for files in a folder: give -o DIR.")
    check_failures_path(failures)
    sources = choose_sources(files or [], demo=demo)
    output.check(len(sources))
    inputs = list(zip(sources, plan_stems(sources), strict=True))
    if skip_existing:
        inputs = _drop_done(inputs, output)
    failed: list[FailedInput] = []
    if not inputs:
        if failures is not None:
            write_failures(failures, failed)
        return
    decoding = decoding_options(
        model,
        greedy=greedy,
        beam_width=beam_width,
        num_best=num_best,
        language_model=language_model,
        alpha=alpha,
        beta=beta,
        hot_words=hot_words,
        hot_word_weight=hot_word_weight,
    )
    expected = read_references(references) if references is not None else {}
    transcriber = _load(
        model,
        device=device,
        compute_type=compute_type,
        runtime=runtime,
        cuda_graphs=cuda_graphs,
        target_lang=target_lang,
        window_s=window_seconds,
        context_s=context_seconds,
        decoding=decoding,
        speech_detection=speech_detection,
    )
    pairs = []
    try:
        for transcript in _iter_delivered(
            transcriber,
            inputs,
            output,
            failed,
            batch_seconds=batch_seconds,
            is_quiet=quiet,
            # the demo's clips lie deep inside the installation
            shows_folders=not demo,
        ):
            reference = expected.get(Path(transcript.source).resolve())
            if reference is not None:
                pairs.append((reference, transcript.text))
    finally:
        if failures is not None:
            write_failures(failures, failed)
    if references is not None:
        is_json = output_format in {"json", "jsonl"}
        report_errors(pairs, transcriber.vocabulary, as_json=is_json)
    report_failures(failed, len(sources))


def _drop_done(inputs: Sequence[tuple[str, str]], output: Output) -> list[tuple[str, str]]:
    """Return the inputs of which a file is missing; say how many others there are."""
    pending = [
        (source, stem)
        for source, stem in inputs
        if not all(path.is_file() for path in output.paths(stem))
    ]
    num_done = len(inputs) - len(pending)
    if num_done:
        typer.echo(
            f"skipped {num_done} of {len(inputs)} inputs: their files are in {output.folder}.",
            err=True,
        )
    return pending


def _load(model: str | None, **options: Any) -> "Transcriber":
    """Load a model without transformers' messages about it."""
    from wav2vec2_conformer.inference import Transcriber

    silence_loading()
    return Transcriber.from_pretrained(model, **options)


def _iter_delivered(
    transcriber: "Transcriber",
    inputs: Sequence[tuple[str, str]],
    output: Output,
    failed: list[FailedInput],
    *,
    batch_seconds: float,
    is_quiet: bool,
    shows_folders: bool,
) -> Iterator["Transcript"]:
    """Transcribe inputs, write or print each result, and yield it when that is done.

    Args:
        transcriber: Hears.
        inputs: Source and file name without ending of each.
        output: Where results go.
        failed: What cannot be transcribed or written is added here.
        batch_seconds: Seconds of audio in the model at once.
        is_quiet: Shows no progress.
        shows_folders: Whether a printed line names the whole path.
    """
    sources = [source for source, _ in inputs]

    def run(on_progress: Callable[[float], None]) -> "Iterator[tuple[int, Transcript | Failure]]":
        return enumerate(
            transcriber.transcribe_many(
                sources, batch_seconds=batch_seconds, on_progress=on_progress
            )
        )

    for number, result in iter_results(run, sources, failed, is_quiet=is_quiet):
        source, stem = inputs[number]
        if output.folder is None:
            name = result.source if shows_folders else Path(result.source).name
            output.print(result, stem, name=name if len(sources) > 1 else None)
        else:
            try:
                output.write(result, stem)
            except OSError as error:
                add_unwritten(failed, source, f"into {output.folder}", error)
                continue
            if stem not in {Path(source).stem, result.source}:
                typer.echo(f"note: {source} -> {output.paths(stem)[0]}", err=True)
        yield result
