"""JSON in the shape of openai-whisper's."""

import json
from dataclasses import replace

from wav2vec2_conformer.formats import FormatOptions, format_transcript
from wav2vec2_conformer.inference.alignment import Alignment, Mismatch
from wav2vec2_conformer.inference.transcript import Transcript, Word

from .conftest import transcript


def test_the_keys_are_whispers_and_ours(greeting: Transcript) -> None:
    record = json.loads(format_transcript(greeting, "json"))
    assert list(record) == ["schema_version", "file", "duration", "language", "text", "segments"]
    assert record["schema_version"] == 1
    assert record["file"] == "folder/a clip.wav"
    assert record["duration"] == 4.0
    assert record["language"] is None
    assert record["text"] == "HELLO THERE GOOD DAY"
    assert record["segments"][1] == {
        "id": 1,
        "start": 2.0,
        "end": 2.7,
        "text": "GOOD DAY",
        "words": [
            {"word": "GOOD", "start": 2.0, "end": 2.3, "score": 0.9877},
            {"word": "DAY", "start": 2.42, "end": 2.7, "score": 0.5},
        ],
    }


def test_jsonl_is_the_same_on_one_line(greeting: Transcript) -> None:
    line = format_transcript(greeting, "jsonl")
    assert line.count("\n") == 1
    assert json.loads(line) == json.loads(format_transcript(greeting, "json"))


def test_times_are_milliseconds() -> None:
    record = json.loads(format_transcript(transcript([Word("A", 0.1234, 1 / 3)]), "json"))
    word = record["segments"][0]["words"][0]
    assert (word["start"], word["end"]) == (0.123, 0.333)


def test_silence_has_no_segment(silence: Transcript) -> None:
    record = json.loads(format_transcript(silence, "json"))
    assert (record["text"], record["segments"], record["duration"]) == ("", [], 1.5)


def test_the_language_is_told(greeting: Transcript) -> None:
    record = json.loads(format_transcript(greeting, "json", FormatOptions(language="en")))
    assert record["language"] == "en"


def test_characters_come_when_asked_for(greeting: Transcript) -> None:
    record = json.loads(format_transcript(greeting, "json", FormatOptions(characters=True)))
    word = record["segments"][0]["words"][0]
    assert [character["character"] for character in word["characters"]] == list("HELLO")
    assert word["characters"][1] == {"character": "E", "start": 0.18, "end": 0.26}


def test_alternatives_have_scores_and_words(with_alternatives: Transcript) -> None:
    record = json.loads(format_transcript(with_alternatives, "json"))
    assert record["alternatives"] == [
        {
            "text": "HELLO",
            "log_score": -1.2346,
            "words": [{"word": "HELLO", "start": 0.1, "end": 0.5, "score": 0.9}],
        },
        {
            "text": "HALLO",
            "log_score": -2.5,
            "words": [{"word": "HALLO", "start": 0.12, "end": 0.5, "score": 0.4}],
        },
    ]


def test_a_word_whose_time_is_a_guess_says_so(greeting: Transcript) -> None:
    words = [greeting.words[0], replace(greeting.words[1], is_aligned=False)]
    record = json.loads(format_transcript(transcript(words), "json"))
    heard, guessed = record["segments"][0]["words"]
    assert "aligned" not in heard
    assert guessed["aligned"] is False


def test_text_of_any_script_is_readable(arabic: Transcript) -> None:
    content = format_transcript(arabic, "jsonl")
    assert arabic.text in content
    quoted = transcript([Word('"\\', 0.0, 0.5)])
    assert json.loads(format_transcript(quoted, "json"))["text"] == '"\\'


def test_an_alignment_tells_what_does_not_match() -> None:
    mismatch = Mismatch(1.0, 2.0, "speech without text", "HELLO", 0.75)
    alignment = Alignment("a.wav", "", (), 3.0, (mismatch,), -0.1)
    record = json.loads(format_transcript(alignment, "json"))
    assert record["mismatches"] == [
        {"start": 1.0, "end": 2.0, "kind": "speech without text", "text": "HELLO", "score": 0.75}
    ]
