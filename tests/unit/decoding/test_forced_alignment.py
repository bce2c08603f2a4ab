"""Forced alignment of a text to log-probabilities."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

from wav2vec2_conformer.decoding.forced_alignment import align_tokens
from wav2vec2_conformer.errors import InputError

BLANK, A, B, C = range(4)


def heard(*tokens: int, sure: float = 0.9) -> np.ndarray:
    """Return log-probabilities of frames in which the model hears these tokens."""
    rest = (1 - sure) / 3
    probabilities = np.full((len(tokens), 4), rest, dtype=np.float32)
    probabilities[np.arange(len(tokens)), tokens] = sure
    return np.log(probabilities)


def test_tokens_get_the_frames_that_speak_for_them() -> None:
    path = align_tokens(heard(BLANK, A, A, BLANK, B, B, B), [A, B])
    assert path.states.tolist() == [0, 1, 1, 2, 3, 3, 3]
    starts, ends = path.token_spans()
    assert (starts.tolist(), ends.tolist()) == ([1, 4], [3, 7])
    starts, ends = path.gap_spans()
    assert (starts.tolist(), ends.tolist()) == ([0, 3, 7], [1, 4, 7])
    assert path.score == pytest.approx(7 * np.log(0.9), abs=1e-5)


def test_confidence_is_the_mean_probability_of_a_tokens_frames() -> None:
    log_probs = np.log(np.array([[0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.2, 0.1, 0.7]]))
    path = align_tokens(log_probs, [1, 2])
    np.testing.assert_allclose(path.token_confidences(), [0.7, 0.7], atol=1e-6)


def test_equal_tokens_have_a_gap_between_them() -> None:
    path = align_tokens(heard(A, A, A), [A, A])
    assert path.states.tolist() == [1, 2, 3]


def test_a_token_that_is_not_heard_gets_the_least_bad_frame() -> None:
    path = align_tokens(heard(A, BLANK, BLANK, B), [A, C, B])
    assert path.states[0] == 1
    assert path.states[-1] == 5
    assert np.count_nonzero(path.states == 3) == 1
    assert path.token_confidences()[1] < 0.1


def test_a_text_that_cannot_fit_is_refused_with_its_size() -> None:
    with pytest.raises(InputError, match=r"3 frames.* 3 tokens.* 1 more .* 4 together"):
        align_tokens(heard(A, A, B), [A, A, B])
    align_tokens(heard(A, BLANK, A, B), [A, A, B])


def test_a_star_takes_what_the_text_lacks() -> None:
    log_probs = heard(A, BLANK, C, C, BLANK, C, BLANK, B)
    star = np.array([False, True, False])
    path = align_tokens(log_probs, [A, B], star_gaps=star)
    assert path.states.tolist() == [1, 2, 2, 2, 2, 2, 2, 3]
    assert np.flatnonzero(path.is_star).tolist() == [2, 3, 5]
    assert path.score == pytest.approx(8 * np.log(0.9) - 3, abs=1e-5)
    without = align_tokens(log_probs, [A, B])
    assert not without.is_star.any()
    assert without.score < path.score


def test_a_dear_star_takes_nothing() -> None:
    path = align_tokens(heard(A, C, B), [A, B], star_gaps=np.ones(3, bool), star_penalty=10.0)
    assert not path.is_star.any()


@pytest.mark.parametrize("gap", [0, 1, 2])
def test_a_required_gap_gets_a_frame(gap: int) -> None:
    required = np.arange(3) == gap
    path = align_tokens(heard(A, A, B, B), [A, B], required_gaps=required)
    starts, ends = path.gap_spans()
    assert (ends > starts).tolist() == required.tolist()


def test_required_gaps_count_for_what_fits() -> None:
    with pytest.raises(InputError, match="4 together"):
        align_tokens(heard(A, B, C), [A, B, C], required_gaps=np.array([True] + 3 * [False]))


def test_impossible_tokens_still_have_a_place() -> None:
    log_probs = np.full((3, 4), -np.inf)
    log_probs[:, BLANK] = 0.0
    path = align_tokens(log_probs, [A])
    assert np.count_nonzero(path.states == 1) == 1
    assert np.isfinite(path.score)


def test_any_number_can_be_the_blank() -> None:
    log_probs = heard(B, A, B, C, C)
    path = align_tokens(log_probs, [A, C], blank_id=B, star_gaps=np.ones(3, bool))
    assert path.states.tolist() == [0, 1, 2, 3, 3]
    assert not path.is_star.any()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"log_probs": np.zeros(3)}, r"\(T, V\)"),
        ({"blank_id": 4}, "blank_id must be"),
        ({"token_ids": []}, "token_ids must have shape"),
        ({"token_ids": [[A]]}, "token_ids must have shape"),
        ({"token_ids": [A, BLANK]}, "not the blank"),
        ({"token_ids": [A, 4]}, "one is 4"),
        ({"star_gaps": [True]}, "star_gaps must be booleans of shape"),
        ({"required_gaps": [0, 1]}, "required_gaps must be booleans of shape"),
        ({"star_penalty": -1.0}, "star_penalty must be 0 or more"),
        ({"star_penalty": float("nan")}, "star_penalty must be 0 or more"),
        ({"band_tokens": 0}, "band_tokens must be at least 1"),
        ({"log_probs": np.full((5, 4), np.nan)}, "NaN"),
        ({"log_probs": np.full((5, 4), np.inf)}, "NaN or infinity"),
    ],
)
def test_wrong_arguments_are_refused(kwargs: dict[str, Any], message: str) -> None:
    arguments = {"log_probs": heard(A, A, BLANK, B), "token_ids": [A], **kwargs}
    with pytest.raises(InputError, match=message):
        align_tokens(**arguments)


@pytest.mark.parametrize("heard_at", [None, 0, 150])
def test_a_band_is_found_for_a_model_that_hears_next_to_nothing(heard_at: int | None) -> None:
    tokens = [BLANK] * 300
    if heard_at is not None:
        tokens[heard_at] = A
    log_probs = heard(*tokens)
    ids = [A, B, C] * 30
    whole = align_tokens(log_probs, ids)
    banded = align_tokens(log_probs, ids, band_tokens=4)
    assert banded.score == pytest.approx(whole.score, abs=1e-2)


class CountedRows:
    """Gives rows as a file would, and remembers how many at most at a time."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows
        self.shape = rows.shape
        self.most = 0

    def __getitem__(self, frames: slice) -> np.ndarray:
        rows = self._rows[frames].copy()
        self.most = max(self.most, len(rows))
        return rows


def long_speech(num_tokens: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 4, num_tokens)
    tokens = np.zeros((num_tokens, 3), dtype=np.int64)
    tokens[:, 1] = ids
    return heard(*tokens.ravel()), ids


def test_rows_are_read_a_piece_at_a_time() -> None:
    log_probs, ids = long_speech(100_000)
    rows = CountedRows(log_probs)
    path = align_tokens(rows, ids, band_tokens=50)
    assert rows.most < 300_000
    assert np.array_equal(path.token_spans()[0], 3 * np.arange(100_000) + 1)


def test_memory_holds_no_value_for_each_frame_and_state() -> None:
    log_probs, ids = long_speech(5_000)
    tracemalloc.start()
    path = align_tokens(log_probs, ids)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(path.token_spans()[0], 3 * np.arange(5_000) + 1)
    # A byte for each frame and state would be 150 million.
    assert peak_bytes < 20_000_000
