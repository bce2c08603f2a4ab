"""A confusion matrix as a picture."""

import io
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import MissingExtraError

# With more labels there is no room for numbers in the cells, and then none for names.
_MAX_NUMBERED = 25
_MAX_NAMED = 80
_DARK_SHARE = 0.55
_MAX_NAME_LENGTH = 24
_MAX_UPRIGHT_LENGTH = 4


def plot_confusion(confusion: NDArray[np.int64], labels: Sequence[str]) -> bytes:
    """Return a PNG of a confusion matrix: cells are coloured by their part of the row.

    Args:
        confusion: Clips with the label of the row, predicted as the label of the column;
            shape (C, C).
        labels: Names of the C labels.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    check_plotting()
    from matplotlib.figure import Figure  # noqa: PLC0415 - of an extra

    num_labels = len(labels)
    size = min(max(4.0, 0.5 * num_labels + 2.0), 16.0)
    figure = Figure(figsize=(size + 1.0, size), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the row's clips", shrink=0.7)
    axes.set_xlabel("predicted")
    axes.set_ylabel("reference")
    if num_labels <= _MAX_NAMED:
        names = [_shorten(label) for label in labels]
        font_size = min(10.0, 48 * size / (num_labels + 8))
        axes.set_xticks(range(num_labels), names)
        if max(map(len, names)) > _MAX_UPRIGHT_LENGTH:
            axes.tick_params("x", rotation=45)
            for name in axes.get_xticklabels():
                name.set(ha="right", rotation_mode="anchor")
        axes.set_yticks(range(num_labels), names)
        for name in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
            name.set_fontsize(font_size)
            name.set_parse_math(False)  # a label is text, not a formula between dollar signs
    if num_labels <= _MAX_NUMBERED:
        for row, column in np.argwhere(confusion):
            axes.text(
                column,
                row,
                str(confusion[row, column]),
                ha="center",
                va="center",
                color="white" if shares[row, column] > _DARK_SHARE else "black",
                fontsize=9,
            )
    axes.tick_params(length=0)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def check_plotting() -> None:
    """Say early what a plot needs.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtraError("the plot of a confusion matrix", "matplotlib", "plots")


def _shorten(label: str) -> str:
    if len(label) <= _MAX_NAME_LENGTH:
        return label
    return label[: _MAX_NAME_LENGTH - 1] + "\N{HORIZONTAL ELLIPSIS}"
