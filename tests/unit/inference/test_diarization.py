"""Settings of a diarizer, and its result."""

import json
from pathlib import Path

import pytest

from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.inference.diarization import (
    Diarization,
    DiarizationSettings,
    read_diarization_settings,
)


def test_settings_are_read_back(tmp_path: Path) -> None:
    assert read_diarization_settings(tmp_path) == DiarizationSettings()
    settings = DiarizationSettings(onset=0.7, offset=0.3, same_speaker_score=0.8)
    settings.write(tmp_path)
    assert read_diarization_settings(tmp_path) == settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"onset": 1.0}, "between 0 and 1"),
        ({"onset": 0.4}, "the onset the higher one"),
        ({"min_speech_s": -1.0}, "min_speech_s must be 0 or more"),
        ({"same_speaker_score": 1.5}, "a cosine from -1 to 1"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        DiarizationSettings(**changes)


@pytest.mark.parametrize("values", [{"onset": "high"}, {"volume": 1}, [1], {"onset": True}])
def test_a_file_that_holds_no_settings_is_refused_by_name(tmp_path: Path, values: object) -> None:
    (tmp_path / "diarization.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=r"diarization.json: must be .* onset, offset"):
        read_diarization_settings(tmp_path)


def test_speakers_are_in_the_order_in_which_they_begin() -> None:
    turns = (SpeakerTurn(0, 1, "b"), SpeakerTurn(1, 2, "a"), SpeakerTurn(2, 3, "b"))
    assert Diarization("x.wav", 3.0, turns).speakers == ("b", "a")
