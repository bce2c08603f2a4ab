"""The picture of who speaks when."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.errors import MissingExtraError
from wav2vec2_conformer.evaluation import timeline_plot
from wav2vec2_conformer.evaluation.timeline_plot import plot_timeline

TURNS = [SpeakerTurn(0, 4, "a"), SpeakerTurn(3, 8, "b")]
BLUE, ORANGE, GREY = (31, 119, 180), (255, 127, 14), (217, 217, 217)


def draw(turns: list[SpeakerTurn], **options: Any) -> np.ndarray:
    picture = plot_timeline(turns, 10.0, **options)
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))


def columns(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Return in which columns a colour stands."""
    return np.flatnonzero((picture == colour).all(axis=2).any(axis=0))


def rows(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.flatnonzero((picture == colour).all(axis=2).any(axis=1))


def test_each_speaker_has_a_row_as_long_as_the_turns() -> None:
    picture = draw(TURNS)
    blue, orange = columns(picture, BLUE), columns(picture, ORANGE)
    assert np.ptp(orange) / np.ptp(blue) == pytest.approx(5 / 4, abs=0.02)
    assert orange[0] < blue[-1]
    assert rows(picture, BLUE)[-1] < rows(picture, ORANGE)[0]


def test_found_speakers_have_the_colours_of_the_true_ones() -> None:
    found = [SpeakerTurn(0, 3.5, "x"), SpeakerTurn(3.5, 8, "y")]
    swapped = [SpeakerTurn(0, 3.5, "y"), SpeakerTurn(3.5, 8, "x")]
    for turns in (found, swapped):
        picture = draw(turns, references=TURNS)
        assert columns(picture, BLUE)[-1] < columns(picture, ORANGE)[-1]
        assert len(rows(picture, BLUE)) > 1.5 * len(rows(draw(TURNS), BLUE))


def test_what_is_not_scored_is_grey() -> None:
    def count(picture: np.ndarray) -> int:
        return int((picture == GREY).all(axis=2).sum())

    few, more = (count(draw(TURNS, parts=[(start_s, 8.0)])) for start_s in (0.0, 4.0))
    assert count(draw(TURNS)) < 0.1 * few
    assert more > 2 * few


def test_nobody_and_any_name_can_be_drawn() -> None:
    assert draw([]).size
    assert draw([SpeakerTurn(0, 1, "$\\x^ \n" + "long " * 20)], title="$a_b$ " * 40).size
    assert plot_timeline([SpeakerTurn(0, 500, "a")], 600.0)


def test_matplotlib_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline_plot, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"matplotlib.*\[plots\]"):
        plot_timeline(TURNS, 10.0)
