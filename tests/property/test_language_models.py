"""Language models are what the textbook says, and what KenLM reads."""

import math
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2vec2_conformer.language_models.arpa import read_arpa
from wav2vec2_conformer.language_models.entropy_pruning import measure_loss
from wav2vec2_conformer.language_models.kenlm_model import KenlmModel
from wav2vec2_conformer.language_models.ngram_building import build_language_model

pytest.importorskip("kenlm", reason="the extra lm")

WORDS = ("a", "b", "c", "d", "e")
sentences = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=7).map(" ".join),
    min_size=1,
    max_size=25,
)


class Textbook:
    """Modified Kneser-Ney as it is written down, one probability at a time."""

    def __init__(self, text: list[str], order: int, prune: list[int]) -> None:
        self.raw = [Counter() for _ in range(order + 1)]
        self.prune = prune
        for sentence in text:
            tokens = ("<s>", *sentence.split(), "</s>")
            for n in range(1, order + 1):
                grams = [tokens[i : i + n] for i in range(len(tokens) - n + 1)]
                self.raw[n].update(grams)
        self.adjusted = [Counter() for _ in range(order + 1)]
        for n in range(1, order + 1):
            for gram, count in self.raw[n].items():
                is_counted = n == order or gram[0] == "<s>"
                self.adjusted[n][gram] = count if is_counted else self.count_left(gram)
        del self.adjusted[1]["<s>",]
        self.vocabulary = {gram[0] for gram in self.raw[1]} - {"<s>"} | {"<unk>"}
        self.discounts = [self.estimate(counts) for counts in self.adjusted]

    def count_left(self, gram: tuple[str, ...]) -> int:
        return len({longer[0] for longer in self.raw[len(gram) + 1] if longer[1:] == gram})

    @staticmethod
    def estimate(counts: Counter) -> list[float]:
        n1, n2, n3, n4 = (sum(c == k for c in counts.values()) for k in (1, 2, 3, 4))
        if n1 and n2 and n3:
            y = n1 / (n1 + 2 * n2)
            found = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
            if all(0 < d <= k for k, d in enumerate(found, start=1)):
                return [0, *found]
        return [0, 0.5, 1, 1.5]

    def prob(self, word: str, context: tuple[str, ...]) -> float:
        n = len(context) + 1
        followers = {g: a for g, a in self.adjusted[n].items() if g[:-1] == context}
        lower = self.prob(word, context[1:]) if context else 1 / len(self.vocabulary)
        if not followers:
            return lower
        kept = {g for g in followers if n == 1 or self.raw[n][g] > self.prune[n - 1]}
        taken = {g: self.discounts[n][min(a, 3)] if g in kept else a for g, a in followers.items()}
        total = sum(followers.values())
        gram = (*context, word)
        own = (followers[gram] - taken[gram]) / total if gram in followers else 0.0
        return own + sum(taken.values()) / total * lower


@settings(deadline=None, max_examples=60)
@given(sentences, st.integers(1, 4), st.sampled_from([[0], [0, 1], [0, 0, 2]]))
def test_a_built_model_is_the_textbooks(text: list[str], order: int, prune: list[int]) -> None:
    prune = prune[:order]
    textbook = Textbook(text, order, (prune + [prune[-1]] * 4)[:order])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.arpa"
        build_language_model(text, path, order=order, prune_counts=prune)
        model, kenlm = read_arpa(path), KenlmModel(path) if order > 1 else None
    for sentence in ["", *text[:5], "a b c d e", "e zz a"]:
        tokens = ("<s>", *(w if w in textbook.vocabulary else "<unk>" for w in sentence.split()))
        state = model.start()
        kenlm_state = kenlm.start() if kenlm else None
        for word in sentence.split():
            state = model.score(state, word)[1]
            kenlm_state = kenlm.score(kenlm_state, word)[1] if kenlm else None
        context = tokens[max(0, len(tokens) - order + 1) :]
        total = 0.0
        for word in sorted(textbook.vocabulary):
            log_prob = model.score(state, word)[0]
            # ARPA files hold 5 digits after the point, so each number adds up to 1.2e-5.
            assert log_prob == pytest.approx(math.log(textbook.prob(word, context)), abs=1e-4)
            if kenlm:
                assert log_prob == pytest.approx(kenlm.score(kenlm_state, word)[0], abs=1e-5)
            total += math.exp(log_prob)
        assert total == pytest.approx(1, abs=1e-4)


@settings(deadline=None, max_examples=40)
@given(sentences, st.integers(2, 4), st.floats(1e-6, 0.1))
def test_a_pruned_model_still_sums_to_one(text: list[str], order: int, threshold: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.arpa"
        build_language_model(text, path, order=order, prune_threshold=threshold)
        model, kenlm = read_arpa(path), KenlmModel(path)
    vocabulary = {word for sentence in text for word in sentence.split()} | {"</s>", "<unk>"}
    for sentence in ["", *text[:5], "a b c d e", "e zz a"]:
        state, kenlm_state = model.start(), kenlm.start()
        for word in sentence.split():
            state, kenlm_state = model.score(state, word)[1], kenlm.score(kenlm_state, word)[1]
        probs = {word: model.score(state, word)[0] for word in vocabulary}
        assert sum(map(math.exp, probs.values())) == pytest.approx(1, abs=1e-4)
        for word, log_prob in probs.items():
            assert log_prob == pytest.approx(kenlm.score(kenlm_state, word)[0], abs=1e-5)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(0.02, 1.0), min_size=4, max_size=8),
    st.lists(st.floats(0.02, 1.0), min_size=4, max_size=8),
    st.integers(1, 3),
    st.floats(0.01, 1.0),
)
def test_the_loss_is_the_relative_entropy(
    weights: list[float], lower_weights: list[float], num_explicit: int, context_prob: float
) -> None:
    import numpy as np

    # A model over some words, of which the first few are explicit in a context.
    num_words = min(len(weights), len(lower_weights))
    lower = np.array(lower_weights[:num_words]) / sum(lower_weights[:num_words])
    explicit = np.array(weights[:num_explicit]) / (sum(weights[:num_explicit]) + 1)
    backoff = (1 - explicit.sum()) / (1 - lower[:num_explicit].sum())
    before = np.concatenate([explicit, backoff * lower[num_explicit:]])
    losses = measure_loss(
        explicit,
        lower[:num_explicit],
        np.zeros(num_explicit, dtype=np.intp),
        backoffs=np.array([backoff]),
        context_probs=np.array([context_prob]),
    )
    for removed in range(num_explicit):
        is_kept = np.arange(num_words) < num_explicit
        is_kept[removed] = False
        weight = (1 - before[is_kept].sum()) / (1 - lower[is_kept].sum())
        now = np.where(is_kept, before, weight * lower)
        expected = context_prob * (before * np.log(before / now)).sum()
        assert losses[removed] == pytest.approx(expected, abs=1e-9)
