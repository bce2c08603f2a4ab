"""Who said what, in files."""

import json

import pysubs2
import pytest

from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.formats import FormatOptions
from wav2vec2_conformer.formats.analysis_files import (
    analysis_as_json,
    format_analysis_json,
    format_analysis_srt,
    format_analysis_text,
)
from wav2vec2_conformer.inference.analysis import Analysis
from wav2vec2_conformer.inference.classification import Classification
from wav2vec2_conformer.inference.diarization import Diarization
from wav2vec2_conformer.inference.speaker_words import assign_speakers
from wav2vec2_conformer.inference.transcript import Transcript, Word

WORDS = (Word("good", 0.1, 0.4), Word("morning", 0.5, 0.9), Word("hello", 1.2, 1.6))
TURNS = (SpeakerTurn(0.0, 1.0, "SPEAKER_00"), SpeakerTurn(1.1, 1.7, "SPEAKER_01"))


def make_analysis(*, turns: tuple[SpeakerTurn, ...] | None = TURNS) -> Analysis:
    diarization = None if turns is None else Diarization("call.wav", 5.0, turns)
    scores = {"yes": 0.75, "no": 0.25}
    return Analysis(
        source="call.wav",
        duration_s=5.0,
        transcript=Transcript("call.wav", "good morning hello", WORDS, 5.0),
        diarization=diarization,
        classification=Classification("call.wav", 5.0, "single_label_classification", scores, ()),
        spoken=assign_speakers(WORDS, turns or ()),
    )


def test_json_names_the_speaker_of_each_segment_and_word() -> None:
    record = json.loads(format_analysis_json(make_analysis()))
    assert record == analysis_as_json(make_analysis())
    assert record["text"] == "good morning hello"
    segments = [(segment["speaker"], segment["text"]) for segment in record["segments"]]
    assert segments == [("SPEAKER_00", "good morning"), ("SPEAKER_01", "hello")]
    words = [word["speaker"] for segment in record["segments"] for word in segment["words"]]
    assert words == ["SPEAKER_00", "SPEAKER_00", "SPEAKER_01"]
    assert record["speakers"] == ["SPEAKER_00", "SPEAKER_01"]
    assert record["turns"][1] == {"start": 1.1, "end": 1.7, "speaker": "SPEAKER_01"}
    assert record["classification"]["scores"][0] == {"label": "yes", "score": 0.75}


def test_json_without_a_diarization_has_no_turns() -> None:
    record = analysis_as_json(make_analysis(turns=None))
    assert "turns" not in record
    assert {segment["speaker"] for segment in record["segments"]} == {None}


def test_subtitles_begin_with_the_speaker() -> None:
    subtitles = pysubs2.SSAFile.from_string(format_analysis_srt(make_analysis()))
    assert [(line.start, line.end, line.text) for line in subtitles] == [
        (100, 900, "SPEAKER_00: good morning"),
        (1200, 1600, "SPEAKER_01: hello"),
    ]


@pytest.mark.parametrize(("turns", "start"), [((), "UNKNOWN: "), (None, "")])
def test_subtitles_without_a_speaker(turns: tuple[SpeakerTurn, ...] | None, start: str) -> None:
    subtitles = pysubs2.SSAFile.from_string(format_analysis_srt(make_analysis(turns=turns)))
    assert subtitles[0].text == f"{start}good morning hello"


def test_long_subtitles_are_broken_with_their_speaker() -> None:
    options = FormatOptions(max_line_width=16)
    subtitles = pysubs2.SSAFile.from_string(format_analysis_srt(make_analysis(), options))
    assert subtitles[0].text == r"SPEAKER_00: good\Nmorning"


def test_the_summary_says_all_of_it() -> None:
    assert format_analysis_text(make_analysis()).splitlines() == [
        "call.wav: 5.0 s",
        "labels: yes 0.75, no 0.25",
        "speakers: SPEAKER_00 1.0 s, SPEAKER_01 0.6 s",
        "    0.10     0.90  SPEAKER_00:  good morning",
        "    1.20     1.60  SPEAKER_01:  hello",
    ]


def test_silence_has_a_summary_too() -> None:
    silent = Analysis(
        "x.wav", 1.0, Transcript("x.wav", "", (), 1.0), Diarization("x.wav", 1.0, ()), None, ()
    )
    assert format_analysis_text(silent) == "x.wav: 1.0 s\nspeakers: nobody\n"
    assert format_analysis_srt(silent) == ""
    assert analysis_as_json(silent)["segments"] == []
