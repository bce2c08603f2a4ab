"""Alignments as units, and where text and audio do not match."""

import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.alignment import Alignment
from wav2vec2_conformer.inference.mismatches import find_extra_text
from wav2vec2_conformer.inference.transcript import Character, Segment, Word


def alignment() -> Alignment:
    hi = Word(
        "Hi", 0.0, 1.0, 0.8, (Character("H", 0.0, 0.4), Character("I", 0.5, 1.0)), is_aligned=True
    )
    number = Word("5", 1.0, 2.0, 0.0, is_aligned=False)
    you = Word("u", 3.0, 4.0, 0.4, (Character("U", 3.0, 4.0),))
    segments = (Segment("Hi 5", 0.0, 2.0, (hi, number)), Segment("u", 3.0, 4.0, (you,)))
    return Alignment("a.wav", "Hi 5\nu", segments, 5.0, (), -0.5)


def test_the_confidence_is_that_of_the_aligned_words() -> None:
    assert alignment().confidence == pytest.approx(0.6)
    assert [word.text for word in alignment().words] == ["Hi", "5", "u"]


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("char", [("H", 0.0, 0.4), ("I", 0.5, 1.0), ("5", 1.0, 2.0), ("U", 3.0, 4.0)]),
        ("word", [("Hi", 0.0, 1.0), ("5", 1.0, 2.0), ("u", 3.0, 4.0)]),
        ("segment", [("Hi 5", 0.0, 2.0), ("u", 3.0, 4.0)]),
    ],
)
def test_each_unit_can_be_a_segment_and_a_word(
    unit: str, expected: list[tuple[str, float, float]]
) -> None:
    split = alignment().split(unit)
    assert [(part.text, part.start_s, part.end_s) for part in split.segments] == expected
    assert [(part.text, part.start_s, part.end_s) for part in split.words] == expected


def test_a_segment_as_a_word_has_the_confidence_of_its_aligned_words() -> None:
    first = alignment().split("segment").words[0]
    assert (first.confidence, first.is_aligned) == (0.8, True)


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(InputError, match="unit must be one of char, word, segment"):
        alignment().split("phone")


def spoken(*confidences: float) -> list[Word]:
    return [
        Word(f"w{n}", n, n + 0.5, confidence, (Character("W", n, n + 0.5),))
        for n, confidence in enumerate(confidences)
    ]


def test_runs_of_words_that_are_not_heard_are_reported() -> None:
    words = spoken(*[0.8] * 20, 0.02, 0.1, 0.02, 0.05, 0.01, 0.03, *[0.8] * 20)
    (region,) = find_extra_text(words)
    assert region.kind == "text without speech"
    assert region.text == "w20 w21 w22 w23 w24 w25"
    assert (region.start_s, region.end_s) == (20, 25.5)
    assert region.score == pytest.approx(0.23 / 6)


def test_a_single_bad_word_is_no_region() -> None:
    assert not list(find_extra_text(spoken(*[0.8] * 10, 0.0, *[0.8] * 10)))


def test_a_model_that_is_never_sure_is_measured_by_itself() -> None:
    assert not list(find_extra_text(spoken(*[0.2, 0.15, 0.25] * 10)))


def test_a_text_of_another_recording_is_one_region() -> None:
    (region,) = find_extra_text(spoken(*[0.01, 0.05, 0.03] * 10))
    assert len(region.text.split()) == 30


def test_words_without_tokens_are_no_region() -> None:
    assert not list(find_extra_text([Word("5", 0.0, 1.0, 0.0, is_aligned=False)] * 5))
