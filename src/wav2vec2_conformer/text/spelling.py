"""A given text as the tokens that a model should have heard, for forced alignment.

Shapes used in this file:
    U  tokens of the text
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.text.normalization import normalize_text

STAR = "<star>"
StarPlaces = Literal["none", "segments", "words"]
# Said aloud, although Unicode counts them as punctuation.
_SPOKEN_PUNCTUATION = frozenset("%&@#")


@dataclass(frozen=True, slots=True)
class SpelledWord:
    """A word of the text and its tokens.

    Attributes:
        text: The word as it was given, with the punctuation that stands around it.
        segment: Number of its line.
        first_token: Number of its first token in `Spelling.tokens`. For a word without tokens,
            that of the next word's first token, or U.
        end_token: The number after its last one. A hyphenated word has delimiters inside.
    """

    text: str
    segment: int
    first_token: int
    end_token: int

    @property
    def is_spelled(self) -> bool:
        """Whether it has a token."""
        return self.end_token > self.first_token


@dataclass(frozen=True, slots=True)
class Spelling:
    """A text as tokens.

    Attributes:
        segments: The lines, without line ends and stars.
        words: The words of all lines.
        tokens: Tokens of the vocabulary with the delimiter between words, length U.
        star_gaps: Whether speech may be that is not in the text, before each token and after
            the last, length U + 1.
        required_gaps: Whether a word without tokens stands there, length U + 1.
    """

    segments: tuple[str, ...]
    words: tuple[SpelledWord, ...]
    tokens: tuple[str, ...]
    star_gaps: tuple[bool, ...]
    required_gaps: tuple[bool, ...]


def spell_text(
    text: str | Iterable[str],
    vocabulary: Mapping[str, int],
    *,
    delimiter: str = "|",
    star: StarPlaces = "segments",
) -> Spelling:
    """Spell a text with a vocabulary.

    Words are what white space separates. Each is normalized as in training (`normalize_text`);
    of letters that the vocabulary lacks, the base letter is taken where it has that ("É" is "E",
    "ﬁ" is "FI"), and others are left out. A word of which nothing is left, such as "1984" or
    one in another script, has no tokens: what is said there may be anything, as at a star.
    Punctuation that stands alone belongs to the word before it.

    Args:
        text: Lines, or segments one by one. Empty ones are left out. The word `<star>` stands
            for speech that is not in the text.
        vocabulary: Tokens and their numbers. Tokens longer than a character are not used.
        delimiter: The token between words; none is used where the vocabulary lacks it.
        star: Where speech that is not in the text may be, beside where the text says so:
            nowhere, around segments, or around words too.

    Raises:
        InputError: When the text is empty, no word can be spelled, or `star` is no such place.
    """
    if star not in get_args(StarPlaces):
        raise InputError(f"star must be one of {', '.join(get_args(StarPlaces))}, but is {star!r}.")
    lines = text.splitlines() if isinstance(text, str) else list(text)
    speller = _Speller(vocabulary, delimiter)
    builder = _Builder(delimiter if delimiter in vocabulary else None)
    for line in lines:
        parts = _split_words(line)
        words = [part for part in parts if part != STAR]
        if words:
            builder.start_segment(" ".join(words), has_star=star != "none")
        for part in parts:
            if part == STAR:
                builder.add_star()
            else:
                builder.add_word(part, speller.spell(part), has_star=star == "words")
    if star != "none":
        builder.add_star()
    return builder.finish()


class _Speller:
    """Spells words, each different one once."""

    def __init__(self, vocabulary: Mapping[str, int], delimiter: str) -> None:
        self._vocabulary = vocabulary
        self._characters = {token for token in vocabulary if len(token) == 1} - {delimiter}
        self._spelled: dict[str, list[str]] = {}

    def spell(self, word: str) -> list[str]:
        """Return the parts of a word, tokens joined, between which a delimiter belongs."""
        if word not in self._spelled:
            parts = normalize_text(word, self._vocabulary).split()
            spelled = ("".join(map(self._spell_character, part)) for part in parts)
            self._spelled[word] = [part for part in spelled if part]
        return self._spelled[word]

    def _spell_character(self, character: str) -> str:
        if character in self._characters:
            return character
        parts = unicodedata.normalize("NFKD", character)
        return "".join(part for part in parts if part in self._characters)


class _Builder:
    """Puts a `Spelling` together word by word."""

    def __init__(self, delimiter: str | None) -> None:
        self._delimiter = delimiter
        self._segments: list[str] = []
        self._words: list[SpelledWord] = []
        self._tokens: list[str] = []
        # Gaps before each token; the last one is still open.
        self._star_gaps = [False]
        self._required_gaps = [False]
        # Words without tokens wait for the number of the token that comes next.
        self._waiting: list[tuple[str, int]] = []

    def start_segment(self, text: str, *, has_star: bool) -> None:
        self._segments.append(text)
        if has_star:
            self.add_star()

    def add_star(self) -> None:
        self._star_gaps[-1] = True

    def add_word(self, text: str, parts: Sequence[str], *, has_star: bool) -> None:
        if has_star:
            self.add_star()
        segment = len(self._segments) - 1
        if not parts:
            self.add_star()
            self._required_gaps[-1] = True
            self._waiting.append((text, segment))
            return
        is_star, is_required = self._star_gaps[-1], self._required_gaps[-1]
        if self._tokens and self._delimiter is not None:
            # What is not in the text comes after the delimiter.
            self._star_gaps[-1] = self._required_gaps[-1] = False
            self._add_token(self._delimiter)
            self._star_gaps[-1], self._required_gaps[-1] = is_star, is_required
        self._place_waiting()
        first = len(self._tokens)
        for number, part in enumerate(parts):
            if number and self._delimiter is not None:
                self._add_token(self._delimiter)
            for token in part:
                self._add_token(token)
        self._words.append(SpelledWord(text, segment, first, len(self._tokens)))

    def finish(self) -> Spelling:
        if not self._tokens:
            shown = " ".join(text for text, _ in self._waiting[:5])
            raise InputError(
                f"no word of the text can be spelled with the model's vocabulary: {shown}. "
                "Check the language of text and model, and write numbers as words."
                if shown
                else "the text is empty: there is no word to align."
            )
        self._place_waiting()
        return Spelling(
            tuple(self._segments),
            tuple(self._words),
            tuple(self._tokens),
            tuple(self._star_gaps),
            tuple(self._required_gaps),
        )

    def _add_token(self, token: str) -> None:
        self._tokens.append(token)
        self._star_gaps.append(False)
        self._required_gaps.append(False)

    def _place_waiting(self) -> None:
        number = len(self._tokens)
        self._words += [SpelledWord(*waiting, number, number) for waiting in self._waiting]
        self._waiting.clear()


def _split_words(line: str) -> list[str]:
    """Return a line's words and stars; punctuation that stands alone goes with a neighbour."""
    parts: list[str] = []
    for part in line.split():
        is_beside_word = bool(parts) and STAR not in (part, parts[-1])
        if is_beside_word and (_is_silent(part) or _is_silent(parts[-1])):
            parts[-1] += f" {part}"
        else:
            parts.append(part)
    return parts


def _is_silent(text: str) -> bool:
    return all(
        unicodedata.category(character)[0] == "P" and character not in _SPOKEN_PUNCTUATION
        for character in text.replace(" ", "")
    )
