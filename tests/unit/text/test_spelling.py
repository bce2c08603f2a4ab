"""A given text as tokens of a vocabulary."""

import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.text.spelling import Spelling, spell_text
from wav2vec2_conformer.text.vocabulary import LIBRISPEECH_VOCABULARY


def spell(text: str | list[str], star: str = "segments") -> Spelling:
    return spell_text(text, LIBRISPEECH_VOCABULARY, star=star)


def words(spelling: Spelling) -> list[tuple[str, int, str]]:
    """Return text, segment and tokens of each word."""
    return [
        (word.text, word.segment, "".join(spelling.tokens[word.first_token : word.end_token]))
        for word in spelling.words
    ]


def stars(spelling: Spelling) -> str:
    """Return the tokens with * for a star and ! for a word without tokens."""
    shown = ""
    for token, star, required in zip(
        [*spelling.tokens, ""], spelling.star_gaps, spelling.required_gaps, strict=True
    ):
        shown += ("!" if required else "*" if star else "") + token
    return shown


def test_words_keep_their_text_and_get_the_vocabularys_tokens() -> None:
    spelling = spell("Good day,\nit\N{RIGHT SINGLE QUOTATION MARK}s me.")
    assert spelling.segments == ("Good day,", "it\N{RIGHT SINGLE QUOTATION MARK}s me.")
    assert words(spelling) == [
        ("Good", 0, "GOOD"),
        ("day,", 0, "DAY"),
        ("it\N{RIGHT SINGLE QUOTATION MARK}s", 1, "IT'S"),
        ("me.", 1, "ME"),
    ]
    assert "".join(spelling.tokens) == "GOOD|DAY|IT'S|ME"


def test_a_list_of_segments_is_the_same_as_lines() -> None:
    assert spell(["one two", "", "three"]) == spell("one two\n\nthree\n")


@pytest.mark.parametrize(
    ("star", "expected"),
    [
        ("none", "A|B|C"),
        ("segments", "*A|B|*C*"),
        ("words", "*A|*B|*C*"),
    ],
)
def test_stars_are_where_they_are_asked_for(star: str, expected: str) -> None:
    assert stars(spell("a b\nc", star)) == expected


def test_a_star_in_the_text_is_no_word() -> None:
    spelling = spell("<star> a <star> b\n<star>\nc", "none")
    assert stars(spelling) == "*A|*B|*C"
    assert spelling.segments == ("a b", "c")
    assert [word.text for word in spelling.words] == ["a", "b", "c"]


def test_words_without_tokens_keep_their_place() -> None:
    spelling = spell("1984 in 2024 or\n中文", "none")
    assert words(spelling) == [
        ("1984", 0, ""),
        ("in", 0, "IN"),
        ("2024", 0, ""),
        ("or", 0, "OR"),
        ("中文", 1, ""),
    ]
    assert [word.is_spelled for word in spelling.words] == [False, True, False, True, False]
    assert stars(spelling) == "!IN|!OR!"
    assert [word.first_token for word in spelling.words] == [0, 0, 3, 3, 5]


def test_what_can_be_spelled_of_a_word_is() -> None:
    spelling = spell("café B2B \N{LATIN SMALL LIGATURE FI}sh straße")
    assert [tokens for _, _, tokens in words(spelling)] == ["CAFE", "BB", "FISH", "STRASSE"]


def test_a_hyphenated_word_has_a_delimiter_inside() -> None:
    assert words(spell("well-known fact")) == [
        ("well-known", 0, "WELL|KNOWN"),
        ("fact", 0, "FACT"),
    ]


def test_punctuation_that_stands_alone_goes_with_its_neighbour() -> None:
    spelling = spell("\N{EM DASH} yes \N{EM DASH} no ...\n...\n& so")
    assert [word.text for word in spelling.words] == [
        "\N{EM DASH} yes \N{EM DASH}",
        "no ...",
        "...",
        "&",
        "so",
    ]
    assert [word.is_spelled for word in spelling.words] == [True, True, False, False, True]


def test_arabic_is_spelled_by_base_letters_where_the_vocabulary_has_no_others() -> None:
    alef, alef_with_hamza, beh = "\u0627", "\u0623", "\u0628"
    vocabulary = {"<pad>": 0, "|": 1, alef: 2, beh: 3}
    spelling = spell_text(alef_with_hamza + beh, vocabulary)
    assert spelling.tokens == (alef, beh)
    both = spell_text(alef_with_hamza + beh, {**vocabulary, alef_with_hamza: 4})
    assert both.tokens == (alef_with_hamza, beh)


def test_a_vocabulary_without_delimiter_has_none_between_words() -> None:
    spelling = spell_text("a b", {"<pad>": 0, "A": 1, "B": 2})
    assert spelling.tokens == ("A", "B")


@pytest.mark.parametrize("text", ["", " \n ", "<star>", []])
def test_a_text_without_a_word_is_refused(text: str | list[str]) -> None:
    with pytest.raises(InputError, match="the text is empty"):
        spell(text)


def test_a_text_of_other_letters_is_refused() -> None:
    with pytest.raises(InputError, match=r"no word of the text can be spelled .*中文 1984"):
        spell("中文 1984")


def test_an_unknown_place_for_stars_is_refused() -> None:
    with pytest.raises(InputError, match="star must be one of none, segments, words"):
        spell("a", "everywhere")
