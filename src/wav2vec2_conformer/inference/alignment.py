"""What a forced alignment returns."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.transcript import Segment, Word

MismatchKind = Literal["speech without text", "text without speech"]
Unit = Literal["char", "word", "segment"]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A region where text and audio do not match.

    Attributes:
        start_s: Seconds from the start of the audio.
        end_s: Seconds from the start of the audio.
        kind: `speech without text`: something is said that the text does not have. `text
            without speech`: the text has words that the model does not hear there.
        text: What the model hears in the region, or the words of the text.
        score: For speech, how sure the model is of what it hears; for text, the mean
            confidence of the words; from 0 to 1.
    """

    start_s: float
    end_s: float
    kind: MismatchKind
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """When each word of a given text is said.

    Attributes:
        source: Name of the audio: its path, `stdin`, `<bytes>` or `<array>`.
        text: The text, one line a segment.
        segments: The lines of the text with their words.
        duration_s: Length of the audio in seconds.
        mismatches: Where text and audio do not match, in order of time.
        log_score: Natural logarithm of the best path's probability, per frame.
    """

    source: str
    text: str
    segments: tuple[Segment, ...]
    duration_s: float
    mismatches: tuple[Mismatch, ...]
    log_score: float

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def confidence(self) -> float:
        """Mean confidence of the aligned words; 1 where there is none."""
        aligned = [word.confidence for word in self.words if word.is_aligned]
        return sum(aligned) / len(aligned) if aligned else 1.0

    def split(self, unit: Unit) -> "Alignment":
        """Return the same alignment with each unit as a segment of one word.

        Formats that write a line or a cue for each segment or word then write one for each
        unit.

        Args:
            unit: `char`, `word` or `segment`. A word without characters, because it is not
                aligned, stays whole.

        Raises:
            InputError: When there is no such unit.
        """
        if unit not in get_args(Unit):
            raise InputError(f"unit must be one of {', '.join(get_args(Unit))}, but is {unit!r}.")
        words: Iterable[Word]
        if unit == "segment":
            words = map(_segment_as_word, self.segments)
        elif unit == "word":
            words = self.words
        else:
            words = (part for word in self.words for part in _characters_as_words(word))
        segments = (Segment(word.text, word.start_s, word.end_s, (word,)) for word in words)
        return replace(self, segments=tuple(segments))


def _segment_as_word(segment: Segment) -> Word:
    aligned = [word for word in segment.words if word.is_aligned]
    return Word(
        segment.text,
        segment.start_s,
        segment.end_s,
        confidence=sum(word.confidence for word in aligned) / max(len(aligned), 1),
        characters=tuple(character for word in aligned for character in word.characters),
        is_aligned=bool(aligned),
    )


def _characters_as_words(word: Word) -> Iterable[Word]:
    if not word.characters:
        return (word,)
    return (
        Word(character.text, character.start_s, character.end_s, word.confidence, (character,))
        for character in word.characters
    )
