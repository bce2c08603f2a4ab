"""`wav2vec2-conformer layer-probe`: which layer tells most about the labels of a data set."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wav2vec2_conformer.cli.failed_inputs import (
    EXIT_SOME_FAILED,
    FailedInput,
    report_failures,
)
from wav2vec2_conformer.cli.model_flags import (
    AnyModelName,
    BatchSeconds,
    ComputeType,
    Device,
    Quiet,
    silence_loading,
)
from wav2vec2_conformer.cli.result_loop import iter_results

if TYPE_CHECKING:
    from wav2vec2_conformer.data.manifest import Utterance
    from wav2vec2_conformer.evaluation.clip_vectors import ClipVectors
    from wav2vec2_conformer.evaluation.layer_probe import LayerProbeReport
    from wav2vec2_conformer.inference.embedder import Embedder
    from wav2vec2_conformer.inference.transcript import Failure

_HELD_OUT = {
    "speaker": "whole speakers held out in {} parts",
    "clip": "clips held out in {} parts",
    "given": "fitted to other clips",
}


def layer_probe(
    manifest: Annotated[
        Path,
        typer.Argument(
            help="Labelled clips (JSON Lines: audio_filepath, label, perhaps speaker; or a folder "
            "for each label)."
        ),
    ],
    *,
    valid: Annotated[
        Path | None,
        typer.Option(
            help="Clips to score, in the same form.",
            show_default="parts of MANIFEST in turn, by speaker where possible",
        ),
    ] = None,
    model: AnyModelName = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts of MANIFEST, without --valid.")] = 5,
    l2: Annotated[float, typer.Option(help="Weight of the probe's squared weights.")] = 1e-3,
    seed: Annotated[int, typer.Option(min=0, help="Of the parts and the bootstrap.")] = 0,
    device: Device = "auto",
    compute_type: ComputeType = "float32",
    batch_seconds: BatchSeconds = 60.0,
    quiet: Quiet = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object.", rich_help_panel="Output")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw the accuracies (png, svg or pdf; extra plots).", rich_help_panel="Output"
        ),
    ] = None,
) -> None:
    """Tell which layer of a model serves a labelled data set best.

    Each layer's mean over a clip is read by a linear probe (logistic regression), and so are a
    learned weighted sum of all layers and cepstral coefficients (MFCC), which the model has to
    beat. Prints accuracies with 95 % intervals.
    """
    from wav2vec2_conformer.evaluation.clip_vectors import read_single_labels, stack_clips
    from wav2vec2_conformer.evaluation.layer_probe import probe_layers
    from wav2vec2_conformer.evaluation.layer_probe_plot import PLOT, plot_layers
    from wav2vec2_conformer.evaluation.plot_file import check_plot
    from wav2vec2_conformer.inference.embedder import Embedder

    if plot is not None:
        check_plot(plot, PLOT)
        if not plot.parent.is_dir():
            raise typer.BadParameter(f"--plot: there is no folder {plot.parent}.")
    train = read_single_labels(manifest)
    held_out = [] if valid is None else read_single_labels(valid)
    silence_loading()
    embedder = Embedder.from_pretrained(
        model, layer="all", device=device, compute_type=compute_type
    )
    failed: list[FailedInput] = []
    clips = [*train, *held_out]
    vectors = _embed(embedder, clips, failed, batch_seconds=batch_seconds, is_quiet=quiet)
    fitted = [vectors[i] for i in range(len(train)) if i in vectors]
    scored = [vectors[i] for i in range(len(train), len(clips)) if i in vectors]
    if not fitted or (valid is not None and not scored):
        report_failures(failed, len(failed))
    report = probe_layers(
        stack_clips(fitted),
        None if valid is None else stack_clips(scored),
        num_folds=folds,
        l2=l2,
        seed=seed,
    )
    if as_json:
        record = {"manifest": str(manifest), "l2": l2, "seed": seed, **asdict(report)}
        typer.echo(json.dumps(record, ensure_ascii=False))
    else:
        typer.echo(format_report(report, str(valid or manifest)), nl=False)
    if plot is not None:
        try:
            plot_layers(report, plot)
        except OSError as error:
            typer.echo(f"error: cannot write {plot}: {error.strerror}.", err=True)
            raise typer.Exit(EXIT_SOME_FAILED) from error
    report_failures(failed, len(clips))


def _embed(
    embedder: "Embedder",
    clips: Sequence["Utterance"],
    failed: list[FailedInput],
    *,
    batch_seconds: float,
    is_quiet: bool,
) -> dict[int, "ClipVectors"]:
    """Return the vectors of the clips that can be used, by their position."""
    from wav2vec2_conformer.evaluation.clip_vectors import iter_clip_vectors

    def run(
        on_progress: Callable[[float], None],
    ) -> "Iterable[tuple[int, ClipVectors | Failure]]":
        return iter_clip_vectors(
            embedder, clips, batch_seconds=batch_seconds, on_progress=on_progress
        )

    sources = [str(clip.audio_path) for clip in clips]
    return dict(iter_results(run, sources, failed, is_quiet=is_quiet))


def format_report(report: "LayerProbeReport", name: str) -> str:
    """Return accuracies as a table in plain text.

    Args:
        report: What was measured.
        name: Of the data set that was scored.
    """
    units = "speakers" if report.resampled == "speaker" else "clips"
    held_out = _HELD_OUT[report.grouping].format(report.num_folds)
    size = f"{report.num_clips} clips, {report.num_labels} labels"
    lines = [
        f"{name}: {size}; {held_out}; 95% intervals over {units}",
        f"{'layer':>9}  accuracy  95% interval      part of the weighted sum",
    ]
    for system in report.systems:
        interval = " " * 16
        if system.interval is not None:
            interval = f"{system.interval.low:.4f} to {system.interval.high:.4f}"
        part = f"  {report.layer_weights[int(system.name)]:.3f}" if system.name.isdigit() else ""
        mark = "  *" if system.is_near_best else ""
        row = f"{system.name:>9}  {system.accuracy:8.4f}  {interval}{part:7}{mark}"
        lines.append(row.rstrip())
    lines.append(
        f"best layer: {report.best}; *: the best, or not told apart from it by these clips"
    )
    return "".join(f"{line}\n" for line in lines)
