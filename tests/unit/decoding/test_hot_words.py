"""What hot words add, by their definition."""

import pytest

from wav2vec2_conformer.decoding.hot_words import HotWords
from wav2vec2_conformer.errors import InputError


def total(hot_words: HotWords, text: str) -> float:
    added, progress = 0.0, ()
    for word in text.split():
        gain, progress = hot_words.advance(progress, word)
        added += gain
    return added


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("YORK", 1.0),
        ("NEW YORK", 4.0),  # the phrase and the word in it
        ("NEW NEW YORK", 4.0),
        ("NEW YORK CITY NEW YORK", 13.0),
        ("NEW YORKER", 0.0),
        ("NEW", 0.0),
        ("BAD YORK", -1.0),
    ],
)
def test_every_place_counts_once(text: str, expected: float) -> None:
    hot_words = HotWords({"NEW YORK": 3.0, "YORK": 1.0, "NEW YORK CITY": 5.0, "BAD": -2.0})
    assert total(hot_words, text) == pytest.approx(expected)


def test_a_phrase_may_overlap_itself() -> None:
    assert total(HotWords({"A A": 1.0}), "A A A A") == 3.0


def test_credit_grows_with_the_characters_that_match() -> None:
    hot_words = HotWords({"ABCD": 8.0, "ABX": 3.0})
    found = [hot_words.credit((), part) for part in ("", "A", "AB", "ABC", "ABCD", "ABCDE", "B")]
    assert found == pytest.approx([0.0, 2.0, 4.0, 6.0, 8.0, 0.0, 0.0])


def test_a_phrase_keeps_the_credit_of_its_first_words() -> None:
    hot_words = HotWords({"AB CD": 4.0})
    added, progress = hot_words.advance((), "AB")
    assert added == 0.0
    parts = ("", "C", "CD", "X")
    assert [hot_words.credit(progress, part) for part in parts] == [2.0, 3.0, 4.0, 0.0]
    assert hot_words.advance(progress, "CD") == (4.0, ())
    assert hot_words.advance(progress, "X") == (0.0, ())


def test_negative_weights_have_no_credit() -> None:
    hot_words = HotWords({"AB": -4.0})
    assert hot_words.credit((), "A") == 0.0
    assert hot_words.advance((), "AB")[0] == -4.0
    assert (hot_words.most_part, hot_words.most_word) == (0.0, 0.0)


def test_bounds_hold() -> None:
    hot_words = HotWords({"AB": 4.0, "A B": 1.0, "B": -9.0})
    assert hot_words.most_part == 4.0
    assert hot_words.most_word == 5.0
    assert hot_words.has_phrases
    assert not HotWords({"AB": 4.0}).has_phrases
    assert len(hot_words) == 3


@pytest.mark.parametrize("text", ["", "  "])
def test_empty_hot_words_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="characters"):
        HotWords({text: 1.0})


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_weights_without_value_are_refused(weight: float) -> None:
    with pytest.raises(InputError, match="AB"):
        HotWords({"AB": weight})
