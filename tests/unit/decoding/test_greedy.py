"""Greedy CTC decoding against its definition."""

import itertools

import numpy as np
import pytest

from wav2vec2_conformer.decoding.greedy import GreedyDecoder, decode_greedy
from wav2vec2_conformer.errors import InputError


def one_hot(path: list[int], vocabulary_size: int = 4) -> np.ndarray:
    return np.log(np.eye(vocabulary_size, dtype=np.float32)[path] * 0.9 + 0.01)


def test_repeats_collapse_and_blanks_vanish() -> None:
    spans = decode_greedy(one_hot([0, 1, 1, 0, 1, 2, 2, 2, 0, 0]))
    assert spans.token_ids.tolist() == [1, 1, 2]
    assert spans.start_frames.tolist() == [1, 4, 5]
    assert spans.end_frames.tolist() == [3, 5, 8]
    assert len(spans) == 3


@pytest.mark.parametrize("blank_id", [0, 2])
def test_every_short_path_equals_the_definition(blank_id: int) -> None:
    for path in itertools.product(range(3), repeat=6):
        expected = [(token, len(list(group))) for token, group in itertools.groupby(path)]
        spans = decode_greedy(one_hot(list(path)), blank_id=blank_id)
        kept = [(token, count) for token, count in expected if token != blank_id]
        assert spans.token_ids.tolist() == [token for token, _ in kept]
        assert (spans.end_frames - spans.start_frames).tolist() == [n for _, n in kept]
        for token, start in zip(spans.token_ids, spans.start_frames, strict=True):
            assert path[start] == token
            assert start == 0 or path[start - 1] != token


@pytest.mark.parametrize("num_frames", [0, 1, 5])
def test_nothing_but_blank_is_empty(num_frames: int) -> None:
    spans = decode_greedy(one_hot([0] * num_frames))
    assert len(spans) == len(spans.start_frames) == len(spans.end_frames) == 0


def test_logits_and_log_probs_give_the_same() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    a, b = decode_greedy(logits), decode_greedy(log_probs)
    np.testing.assert_array_equal(a.token_ids, b.token_ids)
    np.testing.assert_array_equal(a.start_frames, b.start_frames)


def test_impossible_tokens_are_allowed() -> None:
    log_probs = np.full((2, 3), -np.inf, np.float32)
    log_probs[:, 1] = 0.0
    assert decode_greedy(log_probs).token_ids.tolist() == [1]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_log_probs_are_refused(value: float) -> None:
    log_probs = one_hot([0, 1])
    log_probs[1, 2] = value
    with pytest.raises(InputError, match="NaN"):
        decode_greedy(log_probs)


def test_wrong_shapes_and_blanks_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(5,\)"):
        decode_greedy(np.zeros(5))
    for blank_id in (-1, 4):
        with pytest.raises(InputError, match=f"is {blank_id}"):
            decode_greedy(one_hot([0]), blank_id=blank_id)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("blank_id", [0, 2])
def test_blocks_do_not_change_the_result(size: int, blank_id: int) -> None:
    log_probs = one_hot(np.random.default_rng(0).integers(0, 4, size=200).repeat(2).tolist())
    whole = decode_greedy(log_probs, blank_id=blank_id)
    decoder = GreedyDecoder(blank_id=blank_id)
    for first in range(0, len(log_probs), size):
        decoder.advance(log_probs[first : first + size])
        decoder.advance(log_probs[:0])
    pieces = decoder.finish()
    np.testing.assert_array_equal(pieces.token_ids, whole.token_ids)
    np.testing.assert_array_equal(pieces.start_frames, whole.start_frames)
    np.testing.assert_array_equal(pieces.end_frames, whole.end_frames)


def test_looking_on_the_way_changes_nothing() -> None:
    decoder = GreedyDecoder()
    decoder.advance(one_hot([1]))
    assert decoder.finish().end_frames.tolist() == [1]
    decoder.advance(one_hot([1, 0]))
    assert decoder.finish().end_frames.tolist() == [2]
