"""A picture of what was reached beside the goals."""

from importlib.util import find_spec
from math import log10
from pathlib import Path

from wav2vec2_conformer.benchmark.results import Results
from wav2vec2_conformer.data.whole_file import write_whole
from wav2vec2_conformer.errors import MissingExtraError

_COLOURS = {True: "tab:green", False: "tab:red", None: "tab:gray"}


def check_plotting() -> None:
    """Say early what the plot needs.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtraError("the plot of a benchmark", "matplotlib", "plots")


def plot_results(results: Results, path: Path) -> None:
    """Draw a bar for each measured row, on a scale on which every goal is 1.

    To the right is better: a share of the time or memory that may be at most its goal is drawn as
    goal over what was reached. Rows without a goal are drawn against their peer: 1 is as fast.

    Args:
        results: At least one row was measured.
        path: A .png file.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError: The file cannot be written.
    """
    check_plotting()
    from matplotlib.figure import Figure  # noqa: PLC0415 - of an extra

    bars = []
    for row in results.rows:
        if row.reached is None or (row.goal is None and row.unit != "times"):
            continue
        score = _score(row.reached, row.goal, at_most=row.at_most)
        if score is not None:
            bars.append((row, score))
    figure = Figure(figsize=(10, 1.2 + 0.34 * len(bars)), layout="constrained")
    axes = figure.add_subplot()
    for place, (row, score) in enumerate(bars):
        axes.barh(place, log10(score), color=_COLOURS[row.is_reached], height=0.7)
        label = row.reached_text + (f"  ({row.goal_text})" if row.goal is not None else "")
        axes.annotate(
            label,
            (max(log10(score), 0.0), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(
        range(len(bars)),
        [f"{row.figure}  {row.work} / {row.against}" for row, _ in bars],
        fontsize=8,
    )
    axes.invert_yaxis()
    axes.axvline(0.0, color="black", linewidth=1)
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10]
    axes.set_xticks([log10(tick) for tick in ticks], [f"{tick:g}" for tick in ticks])
    largest = max([abs(log10(score)) for _, score in bars], default=1.0)
    axes.set_xlim(min([-0.1, *(log10(score) for _, score in bars)]), largest + 0.35)
    figure.supxlabel(
        "reached over goal (1 is the goal; grey: speed over the peer's, no goal)", fontsize=9
    )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    with write_whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _score(reached: float, goal: float | None, *, at_most: bool) -> float | None:
    """Return how often the goal is reached; None where that is no ratio (0 of at most 0)."""
    if goal is None:
        goal = 1.0
    above, below = (goal, reached) if at_most else (reached, goal)
    return above / below if above > 0 and below > 0 else None
