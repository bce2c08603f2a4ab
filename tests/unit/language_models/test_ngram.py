import numpy as np
import pytest

from wav2vec2_conformer.language_models.ngram import NgramError, NgramModel

WORDS = ["<unk>", "<s>", "</s>", "a", "b"]


def unigrams() -> NgramModel:
    return NgramModel(WORDS, np.full(5, -1.0), np.full(5, -0.5))


def test_unigrams_alone_are_a_model() -> None:
    model = NgramModel(WORDS, np.array([-1, -99, -2, -3, -4.0]), np.zeros(5))
    log_prob, state = model.score(model.start(), "b")
    assert log_prob == pytest.approx(-4 * np.log(10))
    assert state == model.start()
    assert model.order == 1


def test_states_forget_what_makes_no_difference() -> None:
    model = unigrams()
    model.add_level(np.array([[3, 4], [1, 3]]), np.array([-0.1, -0.2]), np.zeros(2))
    model.finish()
    # After b, with its back-off weight, comes nothing that "a b" or "b" could change together.
    _, after_a = model.score(model.start(), "a")
    _, after_ab = model.score(after_a, "b")
    _, after_b = model.score(model.start(), "b")
    assert after_ab == after_b


def test_an_ngram_twice_is_refused_with_its_row() -> None:
    model = unigrams()
    with pytest.raises(NgramError, match="there twice") as caught:
        model.add_level(np.array([[3, 4], [4, 3], [3, 4]]), np.zeros(3), np.zeros(3))
    assert caught.value.row == 2


def test_a_word_twice_is_refused() -> None:
    with pytest.raises(NgramError, match="'a' is there twice"):
        NgramModel(["a", "a"], np.zeros(2), np.zeros(2))


def test_a_level_without_ngrams_is_allowed() -> None:
    model = unigrams()
    model.add_level(np.empty((0, 2), dtype=np.uint32), np.empty(0), np.empty(0))
    model.finish()
    assert model.score(model.start(), "a")[0] == pytest.approx(-1.5 * np.log(10))


def test_words_are_known_by_their_beginnings() -> None:
    model = NgramModel([*WORDS, "bac"], np.zeros(6), np.zeros(6))
    found = [
        prefix for prefix in ("", "a", "ab", "b", "ba", "bac", "baca") if model.has_prefix(prefix)
    ]
    assert found == ["", "a", "b", "ba", "bac"]


def test_the_first_words_must_be_an_ngram_whatever_their_ends_are() -> None:
    model = unigrams()
    model.add_level(np.array([[3, 4]]), np.zeros(1), np.zeros(1))
    model.add_level(np.array([[3, 4, 3]]), np.zeros(1), np.zeros(1))
    # "b a" is no n-gram, though "a b" is
    with pytest.raises(NgramError, match="first words are no n-gram"):
        model.add_level(np.array([[4, 3, 4, 3]]), np.zeros(1), np.zeros(1))
