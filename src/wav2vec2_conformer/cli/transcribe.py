"""`wav2vec2-conformer transcribe`: audio files to text."""

import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wav2vec2_conformer.cli.audio_files import expand_folders
from wav2vec2_conformer.cli.transcript_files import (
    format_json,
    plan_output_names,
    write_text,
)

if TYPE_CHECKING:
    from wav2vec2_conformer.inference import Failure, Transcript

EXIT_NOTHING_DONE = 1
EXIT_SOME_FAILED = 3


def transcribe(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Audio files, folders of audio files, or - for standard input."),
    ] = None,
    *,
    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            help="Checkpoint folder or hub name.",
            show_default="bundled English model",
        ),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option("-o", "--output-dir", help="Write one file per input into this folder."),
    ] = None,
    output_format: Annotated[
        Literal["txt", "json"],
        typer.Option("-f", "--output-format", help="json has the times of words."),
    ] = "txt",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    compute_type: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="Precision of the model.")
    ] = "float32",
    batch_seconds: Annotated[
        float, typer.Option(min=1.0, help="Seconds of audio in the model at once.")
    ] = 60.0,
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
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Transcribe audio to text.

    The text goes to stdout: bare for one input, `name<TAB>text` lines for several, or with
    -f json one JSON object a line. With -o each input gets a file of its own instead.
    """
    sources = _choose_sources(files or [], demo=demo)
    if output_dir is not None:
        _make_folder(output_dir)
    from transformers.utils import logging

    from wav2vec2_conformer.audio import TruncatedAudioWarning, read_duration
    from wav2vec2_conformer.cli.progress import AudioProgress
    from wav2vec2_conformer.inference import Failure, Transcriber

    expected = _read_references(references) if references is not None else None
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    transcriber = Transcriber.from_pretrained(model, device=device, compute_type=compute_type)

    output_names = plan_output_names(sources, f".{output_format}")
    is_shown = not quiet and sys.stderr.isatty()
    total_s = sum(read_duration(source) or 0.0 for source in sources) if is_shown else None
    transcripts: list[Transcript] = []
    failures: list[Failure] = []
    with (
        warnings.catch_warnings(record=True) as caught,
        AudioProgress(len(sources), total_s, is_shown=is_shown) as progress,
    ):
        warnings.simplefilter("always", TruncatedAudioWarning)
        results = transcriber.transcribe_many(
            sources, batch_seconds=batch_seconds, on_progress=progress.add_audio
        )
        for source, output_name, result in zip(sources, output_names, results, strict=True):
            progress.add_file()
            _print_warnings(caught)
            if isinstance(result, Failure):
                failures.append(result)
                continue
            transcripts.append(result)
            text = format_json(result) if output_format == "json" else result.text
            if output_dir is not None:
                write_text(output_dir / output_name, f"{text}\n")
                if Path(output_name).stem not in {Path(source).stem, result.source}:
                    typer.echo(f"note: {source} -> {output_dir / output_name}", err=True)
            elif output_format == "json" or len(sources) == 1:
                typer.echo(text)
            else:
                # the demo's clips lie deep inside the installation
                name = Path(result.source).name if demo else result.source
                typer.echo(f"{name}\t{text}")
    if expected is not None:
        _report_errors(transcripts, expected, transcriber.vocabulary, output_format)
    _report_failures(failures, len(sources))


def _choose_sources(files: list[str], *, demo: bool) -> list[str]:
    if demo:
        from wav2vec2_conformer.checkpoints.bundled import bundled_clips

        if files:
            raise typer.BadParameter("--demo takes no files.")
        clips = [str(clip) for clip in bundled_clips()]
        if not clips:
            raise typer.BadParameter("this installation holds no demo clips.")
        return clips
    if not files:
        if sys.stdin is None or sys.stdin.isatty():
            raise typer.BadParameter(
                "no input: name audio files or folders, pipe audio in, or try --demo."
            )
        files = ["-"]
    if files.count("-") > 1:
        raise typer.BadParameter("standard input (-) can be read once only.")
    return expand_folders(files)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(
            f"cannot make the folder {folder}: {error.strerror}.", param_hint="--output-dir"
        ) from error


def _print_warnings(caught: list[warnings.WarningMessage]) -> None:
    """Print what is wrong with an input, and not where in the source that was noticed."""
    for warning in caught:
        typer.echo(f"warning: {warning.message}", err=True)
    caught.clear()


def _read_references(manifest: Path) -> dict[Path, str]:
    from wav2vec2_conformer.data.manifest import read_manifest

    return {utterance.audio_path.resolve(): utterance.text for utterance in read_manifest(manifest)}


def _report_errors(
    transcripts: Sequence["Transcript"],
    expected: dict[Path, str],
    vocabulary: dict[str, int],
    output_format: str,
) -> None:
    """Print the error rates of the transcripts that have a reference."""
    from wav2vec2_conformer.evaluation.word_error import score
    from wav2vec2_conformer.text.normalization import normalize_text

    pairs = [
        (expected[path], transcript.text)
        for transcript in transcripts
        if (path := Path(transcript.source).resolve()) in expected
    ]
    if not pairs:
        typer.echo("warning: no transcribed file has a reference, so no error rates.", err=True)
        return
    errors = score(
        [normalize_text(reference, vocabulary) for reference, _ in pairs],
        [normalize_text(hypothesis, vocabulary) for _, hypothesis in pairs],
    )
    if output_format == "json":
        report = json.dumps(
            {
                "wer": errors.wer,
                "cer": errors.cer,
                "num_words": errors.num_words,
                "num_files": len(pairs),
            }
        )
    else:
        report = (
            f"WER {errors.wer:.2%}, CER {errors.cer:.2%} "
            f"({errors.num_words} words in {len(pairs)} files)"
        )
    typer.echo(report, err=True)


def _report_failures(failures: Sequence["Failure"], num_sources: int) -> None:
    """List what failed and exit accordingly."""
    if not failures:
        return
    typer.echo(f"{len(failures)} of {num_sources} inputs failed:", err=True)
    for failure in failures:
        typer.echo(f"  {failure.error}", err=True)
    raise typer.Exit(EXIT_NOTHING_DONE if len(failures) == num_sources else EXIT_SOME_FAILED)
