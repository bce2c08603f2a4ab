"""`wav2vec2-conformer embed`: audio files to vectors."""

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wav2vec2_conformer.cli.audio_files import choose_sources
from wav2vec2_conformer.cli.failed_inputs import FailedInput, report_failures, write_failures
from wav2vec2_conformer.cli.transcript_files import make_folder, plan_stems

if TYPE_CHECKING:
    from wav2vec2_conformer.formats.embedding_files import EmbeddingFormat
    from wav2vec2_conformer.inference.embedder import Embedder
    from wav2vec2_conformer.inference.embedding import Level


def embed(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Audio files, folders of audio files, or - for standard input."),
    ] = None,
    *,
    output_dir: Annotated[
        Path,
        typer.Option("-o", "--output-dir", help="Write a file for each input into this folder."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            help="Checkpoint folder or hub name, of any task.",
            show_default="bundled English model",
        ),
    ] = None,
    level: Annotated[
        Literal["utterance", "frame"],
        typer.Option(
            help="One vector for each file (the mean of its frames, or what a speaker head "
            "makes of them), or one for each frame."
        ),
    ] = "utterance",
    layer: Annotated[
        str | None,
        typer.Option(
            help="Number of a layer (0: before the first block, -1: the last), all, or weighted "
            "(learned weights of the checkpoint).",
            show_default="what the checkpoint was trained for, or else the last layer",
        ),
    ] = None,
    output_format: Annotated[
        Literal["npy", "safetensors", "parquet"],
        typer.Option("-f", "--output-format", help="parquet needs the extra parquet."),
    ] = "npy",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    compute_type: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="Precision of the model.")
    ] = "float32",
    batch_seconds: Annotated[
        float, typer.Option(min=1.0, help="Seconds of audio in the model at once.")
    ] = 60.0,
    window_seconds: Annotated[
        float, typer.Option(help="Longer audio runs in overlapping windows of this length.")
    ] = 30.0,
    context_seconds: Annotated[
        float, typer.Option(help="Part of a window on each side that is context only.")
    ] = 3.0,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out inputs whose file is there.")
    ] = False,
    failures: Annotated[
        Path | None,
        typer.Option(help="Write a line of JSON for each input that failed into this file."),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Embed the clips in the package.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Turn audio into vectors of the encoder: features for other programs.

    Writes <stem>.npy (or .safetensors, .parquet) of shape (D,), with --level frame (T, D), with
    --layer all one more axis in front.
    """
    if failures is not None and not failures.parent.is_dir():
        raise typer.BadParameter(f"--failures: there is no folder {failures.parent}.")
    chosen_layer = parse_layer(layer)
    sources = choose_sources(files or [], demo=demo)
    stems = plan_stems(sources)
    make_folder(output_dir)
    paths = [output_dir / f"{stem}.{output_format}" for stem in stems]
    inputs = list(zip(sources, paths, strict=True))
    if skip_existing:
        inputs = [(source, path) for source, path in inputs if not path.is_file()]
        if num_done := len(sources) - len(inputs):
            typer.echo(
                f"skipped {num_done} of {len(sources)} inputs: their files are in {output_dir}.",
                err=True,
            )
    failed: list[FailedInput] = []
    try:
        if inputs:
            if output_format == "parquet":
                from wav2vec2_conformer.formats.embedding_files import check_parquet

                check_parquet()
            embedder = _load(
                model,
                layer=chosen_layer,
                device=device,
                compute_type=compute_type,
                window_s=window_seconds,
                context_s=context_seconds,
            )
            _write_all(
                embedder,
                inputs,
                failed,
                level=level,
                format_name=output_format,
                batch_seconds=batch_seconds,
                is_shown=not quiet and sys.stderr.isatty(),
            )
    finally:
        if failures is not None:
            write_failures(failures, failed)
    report_failures(failed, len(sources))


def parse_layer(text: str | None) -> int | str | None:
    """Return the layer that a command line names.

    Raises:
        typer.BadParameter: When it is no number and no known word.
    """
    if text is None or text in {"all", "weighted"}:
        return text
    try:
        return int(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"--layer must be a number, all or weighted, but is {text!r}."
        ) from error


def _load(model: str | None, **options: Any) -> "Embedder":
    """Load a model without transformers' messages about it."""
    from transformers.utils import logging

    from wav2vec2_conformer.inference.embedder import Embedder

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return Embedder.from_pretrained(model, **options)


def _write_all(
    embedder: "Embedder",
    inputs: Sequence[tuple[str, Path]],
    failed: list[FailedInput],
    *,
    level: "Level",
    format_name: "EmbeddingFormat",
    batch_seconds: float,
    is_shown: bool,
) -> None:
    """Embed inputs and write each as soon as it is done; what fails is added to `failed`."""
    from wav2vec2_conformer.audio import TruncatedAudioWarning, read_duration
    from wav2vec2_conformer.cli.progress import AudioProgress
    from wav2vec2_conformer.formats.embedding_files import write_embedding
    from wav2vec2_conformer.inference.transcript import Failure

    sources = [source for source, _ in inputs]
    total_s = sum(read_duration(source) or 0.0 for source in sources) if is_shown else None
    with (
        warnings.catch_warnings(record=True) as caught,
        AudioProgress(len(sources), total_s, is_shown=is_shown) as progress,
    ):
        warnings.simplefilter("always", TruncatedAudioWarning)
        results = embedder.embed_many(
            sources, level=level, batch_seconds=batch_seconds, on_progress=progress.add_audio
        )
        for (source, path), result in zip(inputs, results, strict=True):
            progress.add_file()
            for warning in caught:
                typer.echo(f"warning: {warning.message}", err=True)
            caught.clear()
            if isinstance(result, Failure):
                kind = type(result.error).__name__
                failed.append(FailedInput(result.source, kind, str(result.error)))
                continue
            try:
                write_embedding(result, path, format_name)
            except OSError as error:
                reason = f"{source}: cannot write {path}: {error.strerror}."
                failed.append(FailedInput(result.source, type(error).__name__, reason))
                continue
            if path.stem not in {Path(source).stem, result.source}:
                typer.echo(f"note: {source} -> {path}", err=True)
