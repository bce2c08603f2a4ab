"""Confidence of words against the sum over all alignments."""

import itertools

import numpy as np
import pytest

from wav2vec2_conformer.decoding.confidence import word_confidences
from wav2vec2_conformer.decoding.emission_history import EmissionHistory
from wav2vec2_conformer.decoding.words import WordSpan

BLANK, DELIMITER = 0, 1


def random_log_probs(num_frames: int, size: int = 5, seed: int = 0) -> np.ndarray:
    logits = 2 * np.random.default_rng(seed).normal(size=(num_frames, size))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def make_history(log_probs: np.ndarray, **options: object) -> EmissionHistory:
    history = EmissionHistory(blank_id=BLANK, delimiter_id=DELIMITER, **options)
    for block in np.array_split(log_probs, 3):
        history.append(block)
    return history


def sum_paths(log_probs: np.ndarray, token_ids: list[int]) -> float:
    """Return the probability of all frames saying the tokens, with silence around them."""
    total = 0.0
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        runs = [token for token, _ in itertools.groupby(path)]
        while runs and runs[0] in (BLANK, DELIMITER):
            runs.pop(0)
        while runs and runs[-1] in (BLANK, DELIMITER):
            runs.pop()
        if [token for token in runs if token != BLANK] == token_ids:
            total += np.exp(log_probs[np.arange(len(path)), path].sum())
    return total


@pytest.mark.parametrize("token_ids", [[2], [2, 3], [2, 2], [4, 2, 4]])
def test_confidence_is_the_probability_of_the_word(token_ids: list[int]) -> None:
    log_probs = random_log_probs(6)
    word = WordSpan("", 2, 4, 0, len(token_ids))
    starts = [2] * len(token_ids)
    (found,) = word_confidences(make_history(log_probs), [word], token_ids, starts, blank_id=BLANK)
    assert found == pytest.approx(sum_paths(log_probs, token_ids), rel=1e-4)


def test_per_token_it_is_the_geometric_mean() -> None:
    log_probs = random_log_probs(12)
    words = [WordSpan("", 1, 5, 0, 3), WordSpan("", 7, 10, 3, 4)]
    arguments = (make_history(log_probs), words, [2, 3, 4, 2], [1, 2, 4, 7])
    whole = word_confidences(*arguments, blank_id=BLANK)
    per_token = word_confidences(*arguments, blank_id=BLANK, per_token=True)
    assert per_token == pytest.approx([whole[0] ** (1 / 3), whole[1]])
    none = word_confidences(make_history(log_probs), [], [], [], blank_id=BLANK, per_token=True)
    assert none == []


def test_neighbours_are_left_out() -> None:
    log_probs = random_log_probs(9)
    words = [WordSpan("", 0, 3, 0, 1), WordSpan("", 4, 6, 1, 2), WordSpan("", 7, 9, 2, 3)]
    found = word_confidences(make_history(log_probs), words, [2, 3, 4], [0, 4, 7], blank_id=BLANK)
    frames = [slice(0, 4), slice(3, 7), slice(6, 9)]
    expected = [sum_paths(log_probs[f], [t]) for f, t in zip(frames, (2, 3, 4), strict=True)]
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_sure_word_is_sure_and_another_is_not() -> None:
    path = [0, 2, 2, 0, 3, 1, 0]
    log_probs = np.log(np.eye(5)[path] * 0.95 + 0.01)
    history = make_history(log_probs)
    span = [WordSpan("", 1, 5, 0, 2)]
    sure, other = (
        word_confidences(history, span, tokens, [1, 4], blank_id=BLANK)[0]
        for tokens in ([2, 3], [2, 4])
    )
    assert sure > 0.7
    assert other < 0.05


def test_words_of_any_length_take_part() -> None:
    """Many words, and one that is cut into pieces: all together as each alone."""
    log_probs = random_log_probs(600, seed=3)
    history = make_history(log_probs)
    token_ids = np.random.default_rng(0).integers(2, 5, size=150).tolist()
    starts = list(range(0, 600, 4))
    bounds = [0, 1, 4, 104, 110, *range(111, 151)]
    words = [WordSpan("", 4 * a, 4 * b - 2, a, b) for a, b in itertools.pairwise(bounds)]
    together = word_confidences(history, words, token_ids, starts, blank_id=BLANK)
    assert all(0 <= each <= 1 for each in together)
    assert together[2] < 1e-10
    for i in (0, 1, 3, 40):
        # Its neighbours' frames stay with them.
        around = words[max(0, i - 1) : i + 2]
        alone = word_confidences(history, around, token_ids, starts, blank_id=BLANK)
        assert alone[min(i, 1)] == pytest.approx(together[i])


def test_rare_tokens_share_what_is_left() -> None:
    log_probs = random_log_probs(4, size=20)
    history = make_history(log_probs)
    order = np.argsort(-log_probs, axis=1)
    for frame in range(4):
        kept = history.emissions(frame, frame + 1, order[frame])[0]
        np.testing.assert_allclose(kept[:8], log_probs[frame, order[frame, :8]], atol=1e-5)
        assert np.exp(kept).sum() == pytest.approx(1.0, abs=1e-4)
        assert len(set(kept[8:].tolist())) == 1


def test_tokens_without_text_count_as_blanks() -> None:
    log_probs = random_log_probs(5)
    history = make_history(log_probs, silent_ids=[4])
    blank = np.logaddexp(log_probs[:, 0], log_probs[:, 4])
    found = history.emissions(0, 5, np.array([BLANK]))[:, 0]
    np.testing.assert_allclose(found, blank, atol=1e-5)
    np.testing.assert_allclose(
        history.silence(0, 5), np.logaddexp(blank, log_probs[:, 1]), atol=1e-5
    )


def test_no_words_no_confidence() -> None:
    assert word_confidences(make_history(random_log_probs(3)), [], [], [], blank_id=0) == []
