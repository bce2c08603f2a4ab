"""Forced alignment is exact: it equals a plain dynamic programme over all states."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wav2vec2_conformer.decoding.forced_alignment import align_tokens
from wav2vec2_conformer.errors import InputError

Array = NDArray[np.float32]


@dataclass
class Case:
    log_probs: Array
    ids: list[int]
    blank_id: int
    star: list[bool]
    required: list[bool]
    star_penalty: float

    def align(self, **kwargs: int):
        return align_tokens(
            self.log_probs,
            self.ids,
            blank_id=self.blank_id,
            star_gaps=self.star,
            required_gaps=self.required,
            star_penalty=self.star_penalty,
            **kwargs,
        )

    def emission(self, frame: int, state: int) -> float:
        row = self.log_probs[frame].astype(float)
        if state % 2:
            return row[self.ids[state // 2]]
        if not self.star[state // 2]:
            return row[self.blank_id]
        return max(row[self.blank_id], np.delete(row, self.blank_id).max() - self.star_penalty)

    def may_skip_gap(self, token: int) -> bool:
        is_repeat = 0 < token < len(self.ids) and self.ids[token] == self.ids[token - 1]
        return not self.required[token] and not is_repeat

    def best_score(self) -> float:
        """Try every way into every state of every frame."""
        num_states = 2 * len(self.ids) + 1
        scores = np.full(num_states, -np.inf)
        for frame in range(len(self.log_probs)):
            before = scores.copy()
            for state in range(num_states):
                if frame == 0:
                    is_open = state == 0 or (state == 1 and self.may_skip_gap(0))
                    best = 0.0 if is_open else -np.inf
                else:
                    ways = [before[state]]
                    if state > 0:
                        ways.append(before[state - 1])
                    if state % 2 and state > 1 and self.may_skip_gap(state // 2):
                        ways.append(before[state - 2])
                    best = max(ways)
                scores[state] = best + self.emission(frame, state)
        ends = [scores[-1]]
        if self.may_skip_gap(len(self.ids)):
            ends.append(scores[-2])
        return max(ends)


def random_log_probs(seed: int, num_frames: int, vocab_size: int) -> Array:
    logits = np.random.default_rng(seed).normal(0, 3, (num_frames, vocab_size))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    vocab_size = draw(st.integers(2, 5))
    num_frames = draw(st.integers(1, 60))
    blank_id = draw(st.integers(0, vocab_size - 1))
    tokens = [token for token in range(vocab_size) if token != blank_id]
    ids = draw(st.lists(st.sampled_from(tokens), min_size=1, max_size=10))
    gaps = st.lists(st.booleans(), min_size=len(ids) + 1, max_size=len(ids) + 1)
    return Case(
        random_log_probs(draw(st.integers(0, 1000)), num_frames, vocab_size),
        ids,
        blank_id,
        draw(gaps),
        draw(gaps),
        draw(st.sampled_from([0.0, 0.5, 2.0])),
    )


@given(case=cases())
@settings(deadline=None, max_examples=200)
def test_the_path_is_the_best_of_all(case: Case) -> None:
    expected = case.best_score()
    if expected == -np.inf:
        with pytest.raises(InputError, match="too few for the text"):
            case.align()
        return
    path = case.align()
    assert path.score == pytest.approx(expected, abs=1e-3)
    # The path that is returned has this score, and is one.
    score = sum(case.emission(frame, state) for frame, state in enumerate(path.states.tolist()))
    assert score == pytest.approx(expected, abs=1e-3)
    assert_is_path(case, path.states.tolist())


def assert_is_path(case: Case, states: list[int]) -> None:
    last = 2 * len(case.ids)
    assert states[0] == 0 or (states[0] == 1 and case.may_skip_gap(0))
    assert states[-1] == last or (states[-1] == last - 1 and case.may_skip_gap(len(case.ids)))
    for before, after in pairwise(states):
        is_skip = after - before == 2 and after % 2 == 1 and case.may_skip_gap(after // 2)
        assert after - before in (0, 1) or is_skip


def speech(seed: int, num_tokens: int, pauses: dict[int, int]) -> tuple[Array, list[int]]:
    """Return what a model hears of tokens with pauses before some, and the tokens."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, 12, num_tokens).tolist()
    heard: list[int] = []
    for number, token in enumerate(ids):
        heard += [0] * (int(rng.integers(1, 4)) + pauses.get(number, 0)) + [token]
    logits = rng.normal(0, 1, (len(heard), 12))
    # A sixth of the frames is heard wrong.
    is_wrong = rng.random(len(heard)) < 1 / 6
    said = np.where(is_wrong, rng.integers(0, 12, len(heard)), heard)
    logits[np.arange(len(heard)), said] += 6
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32), ids


@given(seed=st.integers(0, 10_000), pause=st.integers(0, 500), band_tokens=st.integers(16, 60))
# The same examples each time: that the best path lies in the band found is likely, not certain.
@settings(deadline=None, max_examples=40, derandomize=True)
def test_a_narrow_band_finds_the_same_path(seed: int, pause: int, band_tokens: int) -> None:
    log_probs, ids = speech(seed, 300, {100: pause})
    whole = align_tokens(log_probs, ids)
    banded = align_tokens(log_probs, ids, band_tokens=band_tokens)
    assert banded.score == pytest.approx(whole.score, abs=0.02)


@given(seed=st.integers(0, 10_000), num_missing=st.integers(10, 100))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_a_band_follows_text_that_lacks_a_part(seed: int, num_missing: int) -> None:
    log_probs, ids = speech(seed, 300, {})
    text = ids[:40] + ids[40 + num_missing :]
    star = [number == 40 for number in range(len(text) + 1)]
    whole = align_tokens(log_probs, text, star_gaps=star)
    banded = align_tokens(log_probs, text, star_gaps=star, band_tokens=16)
    assert banded.score == pytest.approx(whole.score, abs=0.02)
