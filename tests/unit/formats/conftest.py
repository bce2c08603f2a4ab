"""Results to write: two segments, nothing, one short word."""

import pytest

from wav2vec2_conformer.inference.transcript import (
    Alternative,
    Character,
    Segment,
    Transcript,
    Word,
)


def spell(text: str, start_s: float, end_s: float, confidence: float = 1.0) -> Word:
    """Return a word whose characters share its time evenly."""
    width_s = (end_s - start_s) / len(text)
    characters = tuple(
        Character(character, start_s + i * width_s, start_s + (i + 1) * width_s)
        for i, character in enumerate(text)
    )
    return Word(text, start_s, end_s, confidence, characters)


def transcript(*segments: list[Word], duration_s: float = 4.0) -> Transcript:
    words = tuple(word for segment in segments for word in segment)
    return Transcript(
        source="folder/a clip.wav",
        text=" ".join(word.text for word in words),
        words=words,
        duration_s=duration_s,
        segments=tuple(
            Segment(
                " ".join(word.text for word in segment),
                segment[0].start_s,
                segment[-1].end_s,
                tuple(segment),
            )
            for segment in segments
        ),
    )


@pytest.fixture
def greeting() -> Transcript:
    return transcript(
        [spell("HELLO", 0.1, 0.5, 0.9), spell("THERE", 0.6, 1.04, 0.75)],
        [spell("GOOD", 2.0, 2.3, 0.98765), spell("DAY", 2.42, 2.7, 0.5)],
    )


@pytest.fixture
def silence() -> Transcript:
    return Transcript(source="silence.wav", text="", words=(), duration_s=1.5)


@pytest.fixture
def short_word() -> Transcript:
    return transcript([Word("I", 0.52, 0.54)], duration_s=1.0)


@pytest.fixture
def arabic() -> Transcript:
    return transcript([Word("مَرْحَبًا", 0.2, 0.8), Word("بِكُمْ", 0.9, 1.3)])


@pytest.fixture
def with_alternatives() -> Transcript:
    words = (Word("HELLO", 0.1, 0.5, 0.9),)
    other = (Word("HALLO", 0.12, 0.5, 0.4),)
    return Transcript(
        source="a.wav",
        text="HELLO",
        words=words,
        duration_s=1.0,
        segments=(Segment("HELLO", 0.1, 0.5, words),),
        alternatives=(
            Alternative("HELLO", -1.23456, words),
            Alternative("HALLO", -2.5, other),
        ),
    )
