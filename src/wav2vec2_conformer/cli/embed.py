"""`wav2vec2-conformer embed`: audio files to vectors."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wav2vec2_conformer.cli.audio_files import choose_sources
from wav2vec2_conformer.cli.failed_inputs import FailedInput, report_failures, write_failures
from wav2vec2_conformer.cli.model_flags import (
    AnyModelName,
    AudioFiles,
    BatchSeconds,
    ComputeType,
    ContextSeconds,
    Device,
    Failures,
    Quiet,
    WindowSeconds,
    check_failures_path,
    silence_loading,
)
from wav2vec2_conformer.cli.result_loop import add_unwritten, iter_results
from wav2vec2_conformer.cli.transcript_files import make_folder, plan_stems

if TYPE_CHECKING:
    from wav2vec2_conformer.formats.embedding_files import EmbeddingFormat
    from wav2vec2_conformer.inference.embedder import Embedder
    from wav2vec2_conformer.inference.embedding import Embedding, Level
    from wav2vec2_conformer.inference.transcript import Failure


def embed(
    files: AudioFiles = None,
    *,
    output_dir: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output-dir",
            help="Write a file for each input into this folder.",
            rich_help_panel="Output",
        ),
    ],
    model: AnyModelName = None,
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
        typer.Option(
            "-f",
            "--output-format",
            help="parquet needs the extra parquet.",
            rich_help_panel="Output",
        ),
    ] = "npy",
    device: Device = "auto",
    compute_type: ComputeType = "float32",
    batch_seconds: BatchSeconds = 60.0,
    window_seconds: WindowSeconds = 30.0,
    context_seconds: ContextSeconds = 3.0,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Leave out inputs whose file is there.",
            rich_help_panel="Output",
        ),
    ] = False,
    failures: Failures = None,
    demo: Annotated[bool, typer.Option("--demo", help="Embed the clips in the package.")] = False,
    quiet: Quiet = False,
) -> None:
    """Turn audio into vectors of the encoder: features for other programs.

    Writes NAME.npy (or .safetensors, .parquet) of shape (D,), with --level frame (T, D), with
    --layer all one more axis in front. With -m bundled:speaker they are voices.
    """
    check_failures_path(failures)
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
                is_quiet=quiet,
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
    from wav2vec2_conformer.inference.embedder import Embedder

    silence_loading()
    return Embedder.from_pretrained(model, **options)


def _write_all(
    embedder: "Embedder",
    inputs: Sequence[tuple[str, Path]],
    failed: list[FailedInput],
    *,
    level: "Level",
    format_name: "EmbeddingFormat",
    batch_seconds: float,
    is_quiet: bool,
) -> None:
    """Embed inputs and write each as soon as it is done; what fails is added to `failed`."""
    from wav2vec2_conformer.formats.embedding_files import write_embedding

    sources = [source for source, _ in inputs]

    def run(on_progress: Callable[[float], None]) -> "Iterator[tuple[int, Embedding | Failure]]":
        return enumerate(
            embedder.embed_many(
                sources, level=level, batch_seconds=batch_seconds, on_progress=on_progress
            )
        )

    for number, result in iter_results(run, sources, failed, is_quiet=is_quiet):
        source, path = inputs[number]
        try:
            write_embedding(result, path, format_name)
        except OSError as error:
            add_unwritten(failed, source, str(path), error)
            continue
        if path.stem not in {Path(source).stem, result.source}:
            typer.echo(f"note: {source} -> {path}", err=True)
