"""`transcribe --ray`: a manifest, a folder or shards to Parquet, by many workers."""

import re
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Option

from wav2vec2_conformer.cli.decoding_flags import HOT_WORD_WEIGHT, read_hot_words

if TYPE_CHECKING:
    from wav2vec2_conformer.scale.batch_transcription import BatchReport, Pool

_PANEL = "Many recordings on Ray"
_NUM_SHOWN = 20

RayAddress = Annotated[
    str | None,
    Option(
        "--ray",
        help="Transcribe --manifest into --output with Ray: `local` for this machine, `auto` for "
        "the cluster that it is part of, or a cluster's address.",
        rich_help_panel=_PANEL,
    ),
]
ManifestPlace = Annotated[
    str | None,
    Option(
        "--manifest",
        help="Path or URL of a manifest, a table, a folder, or shards (tar, Parquet).",
        rich_help_panel=_PANEL,
    ),
]
OutputPlace = Annotated[
    str | None,
    Option(
        "--output",
        help="Path or URL of a folder, or of one file that ends in .parquet. What is there is "
        "not done again.",
        rich_help_panel=_PANEL,
    ),
]
Workers = Annotated[
    str | None,
    Option(help="Number of workers, or MIN:MAX.", show_default="1", rich_help_panel=_PANEL),
]
CpusPerWorker = Annotated[
    int | None, Option(min=1, help="Processors of each.", show_default="1", rich_help_panel=_PANEL)
]
GpusPerWorker = Annotated[
    float | None,
    Option(
        min=0, help="GPUs of each, or a share of one.", show_default="0", rich_help_panel=_PANEL
    ),
]


def check_ray_flags(
    ray: str | None,
    *,
    needed: Mapping[str, Any],
    others: Mapping[str, Any],
    refused: Mapping[str, Any],
) -> None:
    """Refuse flags that do not go with --ray, or without it.

    Args:
        ray: The value of --ray.
        needed: Flags that --ray needs, and their values.
        others: Further flags that mean something with --ray alone.
        refused: Flags that mean nothing with --ray.

    Raises:
        typer.BadParameter: When there is such a flag, or one is missing.
    """
    if ray is None:
        for flag, value in {**needed, **others}.items():
            if value is not None:
                raise typer.BadParameter(f"{flag} needs --ray.")
        return
    for flag, value in refused.items():
        if value:
            raise typer.BadParameter(f"{flag} does not go with --ray.")
    for flag, value in needed.items():
        if value is None:
            raise typer.BadParameter(f"--ray needs {flag}.")


def decoding_values(
    *,
    greedy: bool,
    language_model: Path | None,
    beam_width: int | None,
    alpha: float | None,
    beta: float | None,
    hot_words: str | None,
    hot_word_weight: float | None,
) -> dict[str, Any] | None:
    """Return values of `DecodingOptions` that every worker can be sent; None for none.

    Raises:
        typer.BadParameter: When hot words cannot be read, or flags contradict each other.
    """
    given: dict[str, Any] = {"beam_width": beam_width, "alpha": alpha, "beta": beta}
    if hot_words is not None:
        weight = HOT_WORD_WEIGHT if hot_word_weight is None else hot_word_weight
        given["hot_words"] = read_hot_words(hot_words, weight)
    values = {name: value for name, value in given.items() if value is not None}
    if greedy and (values or language_model is not None):
        raise typer.BadParameter("--greedy goes with no other flag of decoding.")
    return values or None


def read_pool(workers: str | None, cpus: int | None, gpus: float | None) -> "Pool":
    """Return the workers that flags ask for.

    Raises:
        typer.BadParameter: When --workers is no number and no range.
        InputError: When a number is out of range.
    """
    from wav2vec2_conformer.scale.batch_transcription import Pool

    found = re.fullmatch(r"(\d+)(?::(\d+))?", workers or "1")
    if found is None:
        raise typer.BadParameter(
            f"must be a number or MIN:MAX, but is {workers!r}.", param_hint="--workers"
        )
    lowest = int(found[1])
    return Pool(lowest, int(found[2] or lowest), cpus or 1, gpus or 0.0)


def transcribe_on_ray(
    address: str,
    manifest: str,
    output: str,
    pool: "Pool",
    settings: dict[str, Any],
    *,
    is_quiet: bool,
) -> None:
    """Run a job under a progress bar on stderr, and say what came of it.

    Args:
        address: The cluster.
        manifest: What to transcribe.
        output: Where to.
        pool: The workers.
        settings: Values of `WorkerSettings`.
        is_quiet: Shows no progress.

    Raises:
        typer.Exit: With 1 when nothing is done, with 3 when some recordings failed, with 130
            after Ctrl-C.
    """
    from wav2vec2_conformer.cli.failed_inputs import EXIT_NOTHING_DONE, EXIT_SOME_FAILED
    from wav2vec2_conformer.cli.interruption import EXIT_INTERRUPTED
    from wav2vec2_conformer.cli.ray_progress import JobProgress
    from wav2vec2_conformer.scale.batch_transcription import transcribe_dataset
    from wav2vec2_conformer.scale.worker import WorkerSettings

    with (
        JobProgress(is_shown=not is_quiet) as bar,
        redirect_stdout(sys.stderr),  # Ray prints there when a worker is lost
    ):
        try:
            report = transcribe_dataset(
                manifest,
                output,
                settings=WorkerSettings(**settings, num_threads=pool.cpus_per_worker),
                pool=pool,
                address=address,
                on_progress=bar.show,
            )
        except KeyboardInterrupt:
            typer.echo("interrupted: start it again to go on where it was.", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from None
    typer.echo(describe(report, output), err=True)
    for failure in report.failed[:_NUM_SHOWN]:
        typer.echo(f"  {failure.message}", err=True)
    if len(report.failed) > _NUM_SHOWN:
        typer.echo(
            f"  and {len(report.failed) - _NUM_SHOWN} others, listed beside the output", err=True
        )
    if report.failed:
        is_nothing = not report.num_done and not report.num_done_before
        raise typer.Exit(EXIT_NOTHING_DONE if is_nothing else EXIT_SOME_FAILED)


def describe(report: "BatchReport", output: str) -> str:
    """Return what came of a job in words."""
    words = [f"{report.num_done} recordings ({report.audio_s / 3600:.2f} h) transcribed"]
    if report.num_done_before:
        words.append(f"{report.num_done_before} were there")
    if report.failed:
        words.append(f"{len(report.failed)} failed")
    if report.num_done:
        words.append(f"{report.audio_s / report.elapsed_s:.1f}x real time")
    return f"{output}: {', '.join(words)}."
