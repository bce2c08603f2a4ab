"""Accuracies of an encoder's layers as a picture."""

from pathlib import Path

from wav2vec2_conformer.data.whole_file import write_whole
from wav2vec2_conformer.evaluation.layer_probe import (
    CEPSTRA,
    MAJORITY,
    WEIGHTED,
    LayerProbeReport,
    SystemScore,
)
from wav2vec2_conformer.evaluation.plot_file import check_plot

PLOT = "the plot of the layers"
_LINES = {WEIGHTED: ("C1", "--"), CEPSTRA: ("C2", "-."), MAJORITY: ("0.6", ":")}


def plot_layers(report: LayerProbeReport, path: Path) -> None:
    """Draw the accuracy of each layer with its interval; lines for what stands beside them.

    Args:
        report: What to draw.
        path: Where to; its ending names the format (png, svg, pdf).

    Raises:
        InputError: As `plot_file.check_plot`.
        MissingExtraError: As `plot_file.check_plot`.
        OSError: The file cannot be written.
    """
    check_plot(path, PLOT)
    from matplotlib.figure import Figure  # noqa: PLC0415 - of an extra
    from matplotlib.ticker import MaxNLocator, PercentFormatter  # noqa: PLC0415

    layers = [system for system in report.systems if system.name.isdigit()]
    figure = Figure(figsize=(7.0, 4.2), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    numbers = [int(system.name) for system in layers]
    accuracies = [system.accuracy for system in layers]
    below, above = zip(*map(_reach, layers), strict=True)
    axes.errorbar(
        numbers, accuracies, yerr=(below, above), fmt="o-", capsize=3, label="layer, 95 % interval"
    )
    for system in report.systems:
        if system.name in _LINES:
            color, style = _LINES[system.name]
            label = f"{system.name} {system.accuracy:.1%}"
            axes.axhline(system.accuracy, color=color, linestyle=style, label=label)
    axes.set_xlabel("layer (0: before the first block)")
    axes.set_ylabel(f"accuracy over {report.num_clips} clips")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylim(0, 1.02)
    axes.grid(axis="y", alpha=0.3)
    figure.legend(fontsize=8, loc="outside lower center", ncols=4)
    with write_whole(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower())


def _reach(system: SystemScore) -> tuple[float, float]:
    """Return how far the interval reaches below and above the accuracy."""
    if system.interval is None:
        return 0.0, 0.0
    # Percentiles of draws may leave the accuracy itself out by a hair.
    low = max(0.0, system.accuracy - system.interval.low)
    return low, max(0.0, system.interval.high - system.accuracy)
