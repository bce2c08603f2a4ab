"""A histogram of durations as a picture."""

import io
from collections.abc import Sequence

import numpy as np

from wav2vec2_conformer.errors import MissingExtraError

_NUM_BINS = 40


def plot_durations(kept_s: Sequence[float], dropped_s: Sequence[float]) -> bytes:
    """Return a PNG of how long clips are, those that are kept below those that are dropped.

    Args:
        kept_s: Durations in seconds; may be empty, but not both.
        dropped_s: Durations of what is dropped.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - of an extra
        from matplotlib.ticker import MaxNLocator  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("the plot of durations", "matplotlib", "plots") from error
    edges = np.linspace(0, max([*kept_s, *dropped_s, 0.1]), _NUM_BINS + 1)
    figure = Figure(figsize=(8, 3.2), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.hist(
        [kept_s, dropped_s],
        bins=edges.tolist(),
        stacked=True,
        label=[f"kept ({len(kept_s)})", f"dropped ({len(dropped_s)})"],
        color=["#2f6f9f", "#d08030"],
    )
    axes.set_xlabel("duration in seconds")
    axes.set_ylabel("utterances")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0, edges[-1])
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
