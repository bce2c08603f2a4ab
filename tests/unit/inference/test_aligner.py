"""Given texts, aligned to audio that a model of known hearing hears."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wav2vec2_conformer.checkpoints.bundled import bundled_clips
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.aligner import Aligner
from wav2vec2_conformer.inference.alignment import Alignment
from wav2vec2_conformer.inference.transcript import Character

RATE_HZ = 16_000
FRAME = 320
TOKENS = {"": 0, "|": 4, **{letter: 5 + i for i, letter in enumerate("ABCDEFG")}}


def levels(*parts: tuple[str, int]) -> np.ndarray:
    """Return a signal that the level model hears as these tokens, for so many frames each."""
    return np.concatenate(
        [np.full(frames * FRAME, TOKENS[token] / 100, np.float32) for token, frames in parts]
    )


def spoken(text: str) -> np.ndarray:
    """Return a signal of 4 frames a letter, 2 a delimiter, and 5 of silence around letters."""
    parts = [("", 5)]
    for letter in text:
        parts += [(letter, 2), ("", 2)] if letter == "|" else [(letter, 4), ("", 5)]
    return levels(*parts)


@pytest.fixture
def aligner(level_model: Any, level_processor: Any) -> Aligner:
    return Aligner(level_model, level_processor, window_s=2.0, context_s=0.2)


def times(alignment: Alignment) -> list[tuple[str, float, float]]:
    return [(word.text, word.start_s, word.end_s) for word in alignment.words]


def test_words_segments_and_characters_have_their_times(aligner: Aligner) -> None:
    audio = levels(("", 10), ("A", 3), ("", 5), ("B", 2), ("|", 5), ("C", 4), ("", 10))
    alignment = aligner.align(audio, "ab\nC!", RATE_HZ)
    assert times(alignment) == [("ab", 0.2, 0.4), ("C!", 0.5, 0.58)]
    assert [(part.text, part.start_s, part.end_s) for part in alignment.segments] == [
        ("ab", 0.2, 0.4),
        ("C!", 0.5, 0.58),
    ]
    assert alignment.words[0].characters == (Character("A", 0.2, 0.26), Character("B", 0.36, 0.4))
    assert all(word.confidence > 0.95 for word in alignment.words)
    assert (alignment.source, alignment.text) == ("<array>", "ab\nC!")
    assert alignment.duration_s == pytest.approx(39 * 0.02)
    assert alignment.mismatches == ()
    assert -0.01 < alignment.log_score <= 0


def test_long_audio_is_aligned_as_a_whole(aligner: Aligner, level_model: Any) -> None:
    text = "|".join("".join(np.random.default_rng(n).choice(list("ABCDEFG"), 4)) for n in range(60))
    alignment = aligner.align(spoken(text), text.replace("|", " "), RATE_HZ)
    assert sum(num_windows for num_windows, _ in level_model.batch_shapes) > 20
    # 4 letters of 9 frames and a delimiter of 4 frames; the last silence is none of the word.
    expected = [0.1 + n * 40 * 0.02 for n in range(60)]
    np.testing.assert_allclose([word.start_s for word in alignment.words], expected, atol=1e-3)
    assert not alignment.mismatches


def test_words_without_tokens_get_what_was_heard_in_their_place(aligner: Aligner) -> None:
    alignment = aligner.align(spoken("AB|CDE|FG"), "ab 12 fg", RATE_HZ)
    _, number, last = alignment.words
    assert (number.is_aligned, number.confidence, number.characters) == (False, 0.0, ())
    # 5 + 2 * 9 + 4 frames come before the C; up to the delimiter after the E.
    assert number.start_s == pytest.approx(27 * 0.02)
    assert 50 * 0.02 < number.end_s <= last.start_s
    assert last.is_aligned
    assert not alignment.mismatches


def test_words_without_tokens_share_a_pause_by_their_length(aligner: Aligner) -> None:
    audio = levels(("A", 5), ("|", 5), ("", 20), ("B", 5), ("", 1))
    alignment = aligner.align(audio, "a 1 222 b 33", RATE_HZ)
    assert times(alignment) == [
        ("a", 0.0, 0.1),
        ("1", 0.1, 0.225),
        ("222", 0.225, 0.6),
        ("b", 0.6, 0.68),
        ("33", 0.68, 0.7),
    ]


def test_speech_that_the_text_lacks_is_reported_with_what_is_heard(aligner: Aligner) -> None:
    alignment = aligner.align(spoken("AB|CDE|CD|FG"), "ab\nfg", RATE_HZ)
    (region,) = alignment.mismatches
    assert (region.kind, region.text) == ("speech without text", "CDE CD")
    assert region.start_s == pytest.approx(27 * 0.02)
    assert 0.9 < region.score <= 1
    assert [word.confidence > 0.95 for word in alignment.words] == [True, True]


def test_without_stars_all_speech_is_text(aligner: Aligner) -> None:
    alignment = aligner.align(spoken("AB|CDE|CD|FG"), "ab\nfg", RATE_HZ, star="none")
    assert not any(region.kind == "speech without text" for region in alignment.mismatches)


def test_text_that_is_not_said_is_reported(aligner: Aligner) -> None:
    said = "|".join(["AB", "CD", "EF", "GA"] * 5)
    text = said.replace("|", " ").lower().split()
    text[10:10] = ["gg"] * 6
    alignment = aligner.align(spoken(said), " ".join(text), RATE_HZ)
    (region,) = alignment.mismatches
    assert region.kind == "text without speech"
    # Words beside it are pressed together, too.
    assert region.text.split().count("gg") == 6
    assert len(region.text.split()) < 12


def test_lower_case_tokenizers_have_lower_case_characters(
    level_model: Any, level_processor: Any
) -> None:
    level_processor.tokenizer.do_lower_case = True
    aligner = Aligner(level_model, level_processor)
    alignment = aligner.align(spoken("AB|CDEFG|A"), "AB\nA", RATE_HZ)
    assert [character.text for character in alignment.words[0].characters] == ["a", "b"]
    assert alignment.mismatches[0].text == "cdefg"


def test_progress_is_the_audio_done(aligner: Aligner) -> None:
    done_s: list[float] = []
    audio = spoken("AB|CD" * 20)
    aligner.align(audio, "ab", RATE_HZ, on_progress=done_s.append)
    assert sum(done_s) == pytest.approx(len(audio) / RATE_HZ, abs=0.05)


def test_a_text_too_long_for_the_audio_is_refused(aligner: Aligner) -> None:
    with pytest.raises(InputError, match=r"10 frames, too few .* 13 tokens"):
        aligner.align(levels(("A", 10), ("", 1))[: 10 * FRAME + 80], "abcdef abcdef", RATE_HZ)


def test_audio_below_a_frame_is_refused(aligner: Aligner) -> None:
    with pytest.raises(InputError, match="0 frames, too few"):
        aligner.align(np.zeros(100, np.float32), "a", RATE_HZ)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"batch_seconds": 0.0}, "batch_seconds must be positive"),
        ({"star": "lines"}, "star must be one of"),
        ({"star_penalty": -1.0}, "star_penalty must be 0 or more"),
    ],
)
def test_wrong_arguments_are_refused(
    aligner: Aligner, kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        aligner.align(spoken("A"), "a", RATE_HZ, **kwargs)


def test_a_clip_of_the_package_is_aligned_to_its_text() -> None:
    clip = next(path for path in bundled_clips() if Path(path).stem == "weasels")
    text = (
        "Something is terribly wrong.\nWeasels have eaten our phone system.\n"
        "They have been carried away by monkeys."
    )
    aligner = Aligner.from_pretrained(device="cpu")
    alignment = aligner.align(clip, text)
    starts = [segment.start_s for segment in alignment.segments]
    # Where the recording gets loud: at the start, and after two pauses of digital silence.
    np.testing.assert_allclose(starts, [0.15, 3.1, 6.45], atol=0.2)
    assert alignment.confidence > 0.4
    assert not alignment.mismatches
