"""The picture of a confusion matrix."""

import importlib.util
import io

import numpy as np
import pytest

from wav2vec2_conformer.errors import MissingExtraError
from wav2vec2_conformer.evaluation.confusion_plot import check_plotting, plot_confusion

pyplot_image = pytest.importorskip("matplotlib.image")


def pixels(picture: bytes) -> np.ndarray:
    assert picture.startswith(b"\x89PNG")
    return pyplot_image.imread(io.BytesIO(picture), format="png")[:, :, :3]


def num_dark_blue(confusion: list[list[int]]) -> int:
    """Count the pixels of cells that hold all of their row."""
    rgb = pixels(plot_confusion(np.array(confusion), ["a", "b"]))
    dark = np.array([0x08, 0x30, 0x6B]) / 255  # the last colour of "Blues"
    return int((np.abs(rgb - dark).max(axis=2) < 0.02).sum())


def test_cells_are_coloured_by_their_part_of_the_row() -> None:
    both, none = num_dark_blue([[10, 0], [0, 3]]), num_dark_blue([[5, 5], [5, 5]])
    one = num_dark_blue([[10, 0], [5, 5]])
    assert none < one < both
    assert both - one == pytest.approx(one - none, rel=0.1)


@pytest.mark.parametrize("num_labels", [1, 30, 120])
def test_any_number_of_labels_has_a_picture_of_bounded_size(num_labels: int) -> None:
    confusion = np.eye(num_labels, dtype=np.int64)
    picture = pixels(plot_confusion(confusion, [f"label {i}" for i in range(num_labels)]))
    assert max(picture.shape[:2]) <= 17 * 120


def test_a_label_of_dollar_signs_and_great_length_is_text() -> None:
    labels = ["$\\frac{", "x" * 200]
    assert plot_confusion(np.array([[1, 2], [0, 0]]), labels).startswith(b"\x89PNG")


def test_without_matplotlib_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "wav2vec2_conformer.evaluation.confusion_plot.find_spec",
        lambda name: None if name == "matplotlib" else found(name),
    )
    with pytest.raises(MissingExtraError, match=r"wav2vec2-conformer\[plots\]"):
        check_plotting()
    with pytest.raises(MissingExtraError, match="matplotlib"):
        plot_confusion(np.array([[1]]), ["a"])
