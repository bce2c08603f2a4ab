import sys
from pathlib import Path

import pytest

from wav2vec2_conformer.errors import InputError, MissingExtraError
from wav2vec2_conformer.evaluation.det_curve import plot_det
from wav2vec2_conformer.evaluation.verification import compute_error_curve, score_trials

SCORES = [0.9, 0.8, 0.3, 0.5, 0.2, 0.1]
TARGETS = [True, True, True, False, False, False]


def plot(path: Path) -> None:
    curve = compute_error_curve(SCORES, TARGETS)
    plot_det(curve, score_trials(SCORES, TARGETS, threshold=0.4), path)


def test_the_plot_names_the_rate_and_the_threshold(tmp_path: Path, monkeypatch) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    plot(tmp_path / "det.svg")
    svg = (tmp_path / "det.svg").read_text()
    assert "equal error rate 33.33%" in svg
    assert "threshold 0.4" in svg
    assert "3 pairs of one speaker, 3 of two" in svg
    assert [path.name for path in tmp_path.iterdir()] == ["det.svg"]


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in .*\.png"):
        plot(tmp_path / "det.txt")


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"wav2vec2-conformer\[plots\]"):
        plot(tmp_path / "det.png")
