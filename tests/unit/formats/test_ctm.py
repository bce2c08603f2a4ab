"""CTM, read by its definition: columns between white space."""

import pytest

from wav2vec2_conformer.formats import FormatOptions, format_transcript
from wav2vec2_conformer.inference.transcript import Transcript, Word

from .conftest import transcript


def read_ctm(content: str) -> list[tuple[str, str, float, float, str, float]]:
    """Return utterance, channel, start, duration, word and confidence of each line."""
    parsed = []
    for line in content.splitlines():
        utterance, channel, start, duration, word, confidence = line.split(" ")
        parsed.append((utterance, channel, float(start), float(duration), word, float(confidence)))
    return parsed


def test_a_line_is_a_word(greeting: Transcript) -> None:
    content = format_transcript(greeting, "ctm", FormatOptions(utterance="clip"))
    assert content.splitlines()[0] == "clip 1 0.100 0.400 HELLO 0.9000"
    assert read_ctm(content) == [
        ("clip", "1", 0.1, 0.4, "HELLO", 0.9),
        ("clip", "1", 0.6, 0.44, "THERE", 0.75),
        ("clip", "1", 2.0, 0.3, "GOOD", 0.9877),
        ("clip", "1", 2.42, 0.28, "DAY", 0.5),
    ]


def test_the_utterance_is_the_files_name_without_spaces(greeting: Transcript) -> None:
    assert read_ctm(format_transcript(greeting, "ctm"))[0][0] == "a_clip"


def test_a_word_is_one_column() -> None:
    content = format_transcript(transcript([Word("NEW\u00a0YORK\tCITY", 0.0, 0.5)]), "ctm")
    assert [line[4] for line in read_ctm(content)] == ["NEW_YORK_CITY"]


def test_silence_is_an_empty_file(silence: Transcript) -> None:
    assert format_transcript(silence, "ctm") == ""


def test_start_and_duration_give_the_end() -> None:
    # Each rounded by itself would give 0.001 + 0.002, later than the end.
    content = format_transcript(transcript([Word("A", 0.00051, 0.0021)]), "ctm")
    ((_, _, start_s, duration_s, _, _),) = read_ctm(content)
    assert start_s + duration_s == pytest.approx(0.002)


def test_right_to_left_text_stays_as_it_is(arabic: Transcript) -> None:
    words = [line[4] for line in read_ctm(format_transcript(arabic, "ctm"))]
    assert words == [word.text for word in arabic.words]
