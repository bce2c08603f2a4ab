"""Diarizations as files."""

import json
from pathlib import Path

from wav2vec2_conformer.data.rttm import read_rttm
from wav2vec2_conformer.data.speaker_turns import SpeakerTurn, parse_segments
from wav2vec2_conformer.formats.diarization_files import (
    format_diarization_json,
    format_diarization_rttm,
)
from wav2vec2_conformer.inference.diarization import Diarization

TURNS = (
    SpeakerTurn(0.5, 2.0, "SPEAKER_00"),
    SpeakerTurn(1.5, 3.25, "SPEAKER_01"),
    SpeakerTurn(4.0, 4.125, "SPEAKER_00"),
)
RESULT = Diarization("talks/one.wav", 5.0004, TURNS)


def test_json_has_the_speakers_seconds_and_the_segments_of_a_manifest() -> None:
    text = format_diarization_json(RESULT)
    assert text.count("\n") == 1
    record = json.loads(text)
    assert record["file"] == "talks/one.wav"
    assert record["duration"] == 5.0
    assert record["speakers"] == [
        {"speaker": "SPEAKER_00", "seconds": 1.625},
        {"speaker": "SPEAKER_01", "seconds": 1.75},
    ]
    assert parse_segments(record["segments"], "json") == TURNS
    assert json.loads(format_diarization_json(RESULT, indent=2)) == record


def test_rttm_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "one.rttm"
    path.write_text(format_diarization_rttm(RESULT, "one"))
    assert read_rttm(path) == {"one": TURNS}
