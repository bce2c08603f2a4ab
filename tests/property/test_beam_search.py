"""Prefix beam search against the sum over all alignments, and what must not change it."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wav2vec2_conformer.decoding import prefix_beam
from wav2vec2_conformer.decoding.hypothesis import Hypothesis
from wav2vec2_conformer.decoding.prefix_beam import PrefixBeamSearch

TOKENS = ["_", "|", "A", "B"]
DELIMITER = 1
EVERYTHING = {
    "beam_width": 100_000,
    "token_min_log_prob": -math.inf,
    "beam_prune_log_prob": -1e9,
}
HOT_WORDS = {"AB": 2.0, "B": -0.5, "A B": 3.0, "A A": 1.0}
WEIGHTS = {"alpha": 0.7, "beta": 0.4, "unknown_word_score": -1.5}


class TrigramModel:
    """Probabilities drawn once for each word after each two words."""

    order = 3
    words = ("A", "B", "AB", "BAB")

    def start(self) -> tuple[str, ...]:
        return ("<s>",)

    def score(self, state: tuple[str, ...], word: str) -> tuple[float, tuple[str, ...]]:
        draw = np.random.default_rng([ord(c) for c in "/".join((*state, word))])
        return math.log(draw.uniform(0.01, 0.5)), (*state, word)[-2:]

    def score_end(self, state: tuple[str, ...]) -> float:
        return self.score(state, "</s>")[0]

    def __contains__(self, word: str) -> bool:
        return word in self.words

    def has_prefix(self, prefix: str) -> bool:
        return any(word.startswith(prefix) for word in self.words)


@pytest.fixture(params=["few", "many"], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which of the two ways through a frame all frames take."""
    monkeypatch.setattr(prefix_beam, "_MAX_FEW", {"few": 10**9, "many": 0}[request.param])
    return request.param


def random_log_probs(seed: int, num_frames: int, scale: float = 2.0, size: int = 4) -> Any:
    logits = np.random.default_rng(seed).normal(size=(num_frames, size)) * scale
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def spell(token_ids: NDArray[np.int64]) -> str:
    return "".join(TOKENS[token] for token in token_ids)


def read_path(path: tuple[int, ...]) -> tuple[str, list[tuple[int, int]]]:
    """Return the text of an alignment with single delimiters, and the frames of its tokens."""
    runs, end = [], 0
    for token, group in itertools.groupby(path):
        start, end = end, end + len(list(group))
        runs.append((token, start, end))
    kept: list[list[int]] = []
    for token, start, end in runs:
        if token == 0 or (token == DELIMITER and not kept):
            continue
        if token == DELIMITER and kept[-1][0] == DELIMITER:
            kept[-1][2] = end
        else:
            kept.append([token, start, end])
    if kept and kept[-1][0] == DELIMITER:
        kept.pop()
    return "".join(TOKENS[token] for token, *_ in kept), [(start, end) for _, start, end in kept]


def add_words(text: str, model: TrigramModel | None, hot_words: Mapping[str, float]) -> float:
    """Return what the words of a text add to its score, by the definition."""
    words = text.replace("|", " ").split()
    added = 0.0
    for hot_word, weight in hot_words.items():
        pattern = hot_word.split()
        added += weight * sum(words[i : i + len(pattern)] == pattern for i in range(len(words)))
    if model is not None:
        state = model.start()
        for word in words:
            log_prob, state = model.score(state, word)
            added += WEIGHTS["alpha"] * log_prob + WEIGHTS["beta"]
            added += 0.0 if word in model else WEIGHTS["unknown_word_score"]
        added += WEIGHTS["alpha"] * model.score_end(state)
    return added


def iter_paths(log_probs: Any) -> Iterator[tuple[tuple[int, ...], float]]:
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        yield path, float(log_probs[np.arange(len(path)), path].sum())


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    num_frames=st.integers(0, 5),
    with_model=st.booleans(),
    hot_words=st.sampled_from([{}, HOT_WORDS]),
)
def test_a_wide_search_equals_the_sum_over_all_alignments(
    seed: int, num_frames: int, with_model: bool, hot_words: dict[str, float]
) -> None:
    log_probs = random_log_probs(seed, num_frames)
    sums: dict[str, float] = defaultdict(lambda: -math.inf)
    best: dict[str, tuple[float, list[tuple[int, int]]]] = {}
    for path, log_prob in iter_paths(log_probs):
        text, frames = read_path(path)
        sums[text] = float(np.logaddexp(sums[text], log_prob))
        best[text] = max(best.get(text, (-math.inf, [])), (log_prob, frames))
    model = TrigramModel() if with_model else None
    search = PrefixBeamSearch(
        TOKENS, language_model=model, hot_words=hot_words, **EVERYTHING, **WEIGHTS
    )
    found = search.decode(log_probs, num_best=10_000)
    assert {spell(each.spans.token_ids) for each in found} == set(sums)
    assert len(found) == len(sums)
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    for each in found:
        text = spell(each.spans.token_ids)
        added = add_words(text, model, hot_words)
        assert each.log_prob == pytest.approx(sums[text], abs=1e-9)
        assert each.score == pytest.approx(sums[text] + added, abs=1e-9)
        frames = zip(each.spans.start_frames, each.spans.end_frames, strict=True)
        assert [(int(a), int(b)) for a, b in frames] == best[text][1]


@pytest.mark.parametrize("with_model", [False, True])
def test_pruning_and_merging_lose_alignments_and_invent_none(with_model: bool) -> None:
    options: dict[str, Any] = {"language_model": TrigramModel() if with_model else None, **WEIGHTS}
    num_same = 0
    for seed in range(20):
        log_probs = random_log_probs(seed, 7, scale=3.0)
        wide = PrefixBeamSearch(TOKENS, **options, **EVERYTHING).decode(log_probs, num_best=10_000)
        narrow = PrefixBeamSearch(TOKENS, **options).decode(log_probs)[0]
        text = spell(narrow.spans.token_ids)
        same = next(each for each in wide if spell(each.spans.token_ids) == text)
        assert narrow.log_prob <= same.log_prob + 1e-9
        assert narrow.score >= wide[0].score - 1.0
        num_same += same is wide[0]
    assert num_same >= 18


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 10**6),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    num_best=st.sampled_from([1, 3]),
)
def test_blocks_do_not_change_the_result(seed: int, cuts: list[int], num_best: int) -> None:
    log_probs = random_log_probs(seed, 60).astype(np.float32)
    search = PrefixBeamSearch(
        TOKENS, beam_width=10, language_model=TrigramModel(), hot_words=HOT_WORDS
    )
    whole = search.decode(log_probs, num_best)
    state = search.start(num_best)
    for start, end in itertools.pairwise([0, *sorted(cuts), 60]):
        search.advance(state, log_probs[start:end])
        search.finish(state, num_best)  # looking on the way changes nothing
    assert as_values(search.finish(state, num_best)) == as_values(whole)


def as_values(hypotheses: list[Hypothesis]) -> list[Any]:
    return [
        (
            each.score,
            each.log_prob,
            each.spans.token_ids.tolist(),
            each.spans.start_frames.tolist(),
            each.spans.end_frames.tolist(),
        )
        for each in hypotheses
    ]


@pytest.mark.parametrize("num_best", [1, 4])
def test_forgetting_does_not_change_the_result(
    num_best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small trees are cleaned up every few frames, large ones never."""
    log_probs = random_log_probs(0, 600)

    def decode(max_rows: int) -> tuple[list[Any], int]:
        monkeypatch.setattr("wav2vec2_conformer.decoding.emission_times._MAX_ROWS", max_rows)
        monkeypatch.setattr("wav2vec2_conformer.decoding.word_parts._MAX_PARTS", max_rows)
        monkeypatch.setattr("wav2vec2_conformer.decoding.search_state._MAX_PREFIXES", max_rows)
        search = PrefixBeamSearch(
            TOKENS, beam_width=8, language_model=TrigramModel(), hot_words=HOT_WORDS
        )
        state = search.start(num_best)
        search.advance(state, log_probs)
        return as_values(search.finish(state, num_best)), len(state.past_tokens)

    forgetful, num_forgotten = decode(100)
    mindful, num_kept = decode(10**6)
    assert num_forgotten > 100
    assert num_kept == 0
    assert forgetful == mindful


def test_few_and_many_do_the_same(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    other = {"few": 0, "many": 10**9}[kind]
    for seed in range(5):
        log_probs = random_log_probs(seed, 80, scale=3.0, size=4)
        search = PrefixBeamSearch(
            TOKENS, beam_width=20, language_model=TrigramModel(), hot_words=HOT_WORDS
        )
        this = search.decode(log_probs, 3)
        with monkeypatch.context() as patch:
            patch.setattr(prefix_beam, "_MAX_FEW", other)
            that = search.decode(log_probs, 3)
        for a, b in zip(this, that, strict=True):
            assert a.score == pytest.approx(b.score, abs=1e-9)
            np.testing.assert_array_equal(a.spans.token_ids, b.spans.token_ids)
            np.testing.assert_array_equal(a.spans.start_frames, b.spans.start_frames)
            np.testing.assert_array_equal(a.spans.end_frames, b.spans.end_frames)
