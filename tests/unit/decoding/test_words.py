"""Tokens to words."""

import pytest

from wav2vec2_conformer.decoding.words import WordSpan, group_words


def test_words_span_their_tokens() -> None:
    tokens = ["H", "I", "|", "Y", "O"]
    words = group_words(tokens, [2, 5, 8, 10, 11], [3, 7, 9, 11, 14])
    assert words == [WordSpan("HI", 2, 7, 0, 2), WordSpan("YO", 10, 14, 3, 5)]


@pytest.mark.parametrize("text", ["|A|", "||A", "A||", "A"])
def test_delimiters_make_no_empty_words(text: str) -> None:
    frames = range(len(text))
    words = group_words(text, frames, [f + 1 for f in frames])
    assert [word.text for word in words] == ["A"]
    assert text[words[0].first_token : words[0].end_token] == "A"


def test_delimiters_alone_make_nothing() -> None:
    assert group_words("||", [0, 1], [1, 2]) == []


def test_another_delimiter() -> None:
    words = group_words(["ba", " ", "c|d"], [0, 1, 2], [1, 2, 3], delimiter=" ")
    assert [word.text for word in words] == ["ba", "c|d"]
