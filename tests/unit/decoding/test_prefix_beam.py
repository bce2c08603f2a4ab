"""Prefix beam search: what it takes, what it refuses, what it keeps."""

from typing import Any

import numpy as np
import pytest

from wav2vec2_conformer.decoding.hypothesis import Hypothesis
from wav2vec2_conformer.decoding.prefix_beam import PrefixBeamSearch
from wav2vec2_conformer.errors import InputError

TOKENS = ["<pad>", "|", "A", "B", "<s>"]


class WordSet:
    """Knows some words, all of the same probability."""

    order = 1

    def __init__(self, *words: str) -> None:
        self.words = words

    def start(self) -> None:
        return None

    def score(self, state: None, word: str) -> tuple[float, None]:
        return -1.0 if word else 0.0, state

    def score_end(self, state: None) -> float:
        del state
        return 0.0

    def __contains__(self, word: str) -> bool:
        return word in self.words

    def has_prefix(self, prefix: str) -> bool:
        return any(word.startswith(prefix) for word in self.words)


def log_softmax(logits: Any) -> np.ndarray:
    logits = np.asarray(logits, dtype=np.float64)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def peaks(path: list[int], size: int = 5, height: float = 6.0) -> np.ndarray:
    return log_softmax(height * np.eye(size)[path])


def spell(hypothesis: Hypothesis, tokens: list[str] = TOKENS) -> str:
    return "".join(tokens[token] for token in hypothesis.spans.token_ids)


def test_sure_frames_give_what_greedy_gives() -> None:
    (found,) = PrefixBeamSearch(TOKENS).decode(peaks([0, 1, 2, 2, 0, 2, 1, 0, 1, 3, 1, 0]))
    assert spell(found) == "AA|B"
    assert found.spans.start_frames.tolist() == [2, 5, 6, 9]
    assert found.spans.end_frames.tolist() == [4, 6, 9, 10]
    assert found.score == found.log_prob


def test_the_sum_of_alignments_wins_over_the_best_one() -> None:
    # The best path is blank, blank; but three others give A.
    log_probs = np.log([[0.6, 0.0, 0.4, 0.0, 0.0]] * 2 + np.full((2, 5), 1e-12))
    (found,) = PrefixBeamSearch(TOKENS).decode(log_probs)
    assert spell(found) == "A"
    assert np.exp(found.log_prob) == pytest.approx(0.64)


def test_tokens_without_text_are_blanks() -> None:
    tokens = ["", "|", "A", "B", ""]
    for path in ([2, 4, 2], [2, 0, 2]):
        (found,) = PrefixBeamSearch(tokens).decode(peaks(path))
        assert spell(found, tokens) == "AA"
    a, b = (PrefixBeamSearch(tokens).decode(peaks(path))[0] for path in ([4, 4], [0, 0]))
    assert (a.log_prob, spell(a, tokens)) == (pytest.approx(b.log_prob), "")


def test_a_vocabulary_without_delimiter_is_one_word() -> None:
    tokens = ["_", "A", "B"]
    path = np.random.default_rng(0).integers(0, 3, size=500).tolist()
    (found,) = PrefixBeamSearch(tokens).decode(peaks(path, size=3))
    expected = [t for i, t in enumerate(path) if t and (i == 0 or path[i - 1] != t)]
    assert found.spans.token_ids.tolist() == expected


def test_a_model_that_never_emits_the_delimiter_is_followed_to_the_end() -> None:
    rng = np.random.default_rng(0)
    path = rng.integers(0, 2, size=2000) * rng.integers(2, 4, size=2000)
    log_probs = log_softmax(4.0 * np.eye(5)[path] + rng.normal(size=(2000, 5)))
    log_probs[:, 1] = -30.0
    (found,) = PrefixBeamSearch(TOKENS, beam_width=20, hot_words={"AB": 5.0}).decode(log_probs)
    assert len(found.spans) > 500
    assert found.score == pytest.approx(found.log_prob)


def test_known_words_win_over_likelier_tokens() -> None:
    log_probs = log_softmax([[0, 0, 6, 0, 0], [0, 0, 2, 1, 0], [5, 0, 0, 0, 0]])
    plain = PrefixBeamSearch(TOKENS).decode(log_probs)[0]
    assert spell(plain) == "A"
    (found,) = PrefixBeamSearch(TOKENS, language_model=WordSet("AB")).decode(log_probs)
    assert spell(found) == "AB"


def test_unknown_words_cost_what_is_said() -> None:
    log_probs = peaks([2, 1, 3])
    settings: dict[str, Any] = {"alpha": 2.0, "beta": 0.5, "unknown_word_score": -3.0}
    (known,) = PrefixBeamSearch(TOKENS, language_model=WordSet("A", "B"), **settings).decode(
        log_probs
    )
    (half,) = PrefixBeamSearch(TOKENS, language_model=WordSet("A"), **settings).decode(log_probs)
    assert spell(known) == spell(half) == "A|B"
    assert known.score - known.log_prob == pytest.approx(2 * (2.0 * -1.0 + 0.5))
    assert half.score == pytest.approx(known.score - 3.0)


def test_hot_words_are_heard() -> None:
    log_probs = log_softmax([[0, 0, 6, 0, 0], [3, 0, 0, 1, 0], [5, 0, 0, 0, 0]])
    assert spell(PrefixBeamSearch(TOKENS).decode(log_probs)[0]) == "A"
    (found,) = PrefixBeamSearch(TOKENS, hot_words={"AB": 4.0}).decode(log_probs)
    assert spell(found) == "AB"
    assert found.score == pytest.approx(found.log_prob + 4.0)


def test_frames_without_a_choice_keep_the_width() -> None:
    search = PrefixBeamSearch(TOKENS, beam_width=7, token_min_log_prob=-10.0)
    state = search.start(2)
    search.advance(state, np.full((50, 5), np.log(0.2)))
    assert 0 < len(state.beams) <= 14
    assert len(search.finish(state, 2)) == 2


@pytest.mark.parametrize("num_best", [1, 3, 50])
def test_hypotheses_are_distinct_and_sorted(num_best: int) -> None:
    log_probs = log_softmax(np.random.default_rng(1).normal(size=(30, 5)))
    found = PrefixBeamSearch(TOKENS, beam_width=30).decode(log_probs, num_best)
    assert len({spell(each) for each in found}) == len(found) == num_best
    assert [each.score for each in found] == sorted((x.score for x in found), reverse=True)


def test_more_hypotheses_do_not_make_the_best_one_worse() -> None:
    log_probs = log_softmax(np.random.default_rng(2).normal(size=(200, 5)))
    search = PrefixBeamSearch(TOKENS, beam_width=10)
    one, several = search.decode(log_probs)[0], search.decode(log_probs, 5)[0]
    assert several.score >= one.score - 1e-9


def test_no_frames_give_an_empty_text() -> None:
    (found,) = PrefixBeamSearch(TOKENS).decode(np.empty((0, 5)), 3)
    assert (len(found.spans), found.score) == (0, 0.0)


def test_memory_does_not_grow_with_the_frames() -> None:
    rng = np.random.default_rng(0)
    search = PrefixBeamSearch(TOKENS, beam_width=20, language_model=WordSet("A", "AB"))
    state = search.start()
    for _ in range(30):
        search.advance(state, log_softmax(rng.normal(size=(500, 5))))
    assert len(state.beams) <= 20
    assert len(state.tree) < 20_000
    assert len(state.times) < 40_000
    assert len(state.past_tokens) > 5000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_width": 0}, "beam_width"),
        ({"beam_prune_log_prob": 0.0}, "beam_prune_log_prob"),
        ({"alpha": -0.1}, "alpha"),
        ({"unknown_part_score": 0.1}, "unknown_part_score"),
        ({"blank_id": 5}, "from 0 to 4"),
        ({"delimiter": " ", "hot_words": {"A": 1.0}}, "token between words"),
        ({"delimiter": " ", "language_model": WordSet("A")}, "token between words"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PrefixBeamSearch(TOKENS, **options)


@pytest.mark.parametrize(
    ("log_probs", "message"),
    [
        (np.zeros((3, 4)), "one column for each of 5"),
        (np.full((3, 5), 2.0), "log_softmax"),
        (np.full((3, 5), -np.inf), "possible token"),
        (np.full((3, 5), np.nan), "NaN"),
        (np.zeros(5), r"\(T, V\)"),
    ],
)
def test_what_is_no_log_probability_is_refused(log_probs: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PrefixBeamSearch(TOKENS).decode(log_probs)


def test_no_hypotheses_cannot_be_asked_for() -> None:
    with pytest.raises(InputError, match="num_best"):
        PrefixBeamSearch(TOKENS).start(0)
