"""Turns become labels of frames, whatever the speed."""

from pathlib import Path

import numpy as np
import pytest

from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.errors import ManifestError
from wav2vec2_conformer.training.frame_classification import read_turns
from wav2vec2_conformer.training.frame_labels import FrameLabels, encode_turns

TURNS = (SpeakerTurn(0.0, 0.5, "a"), SpeakerTurn(0.25, 1.0, "b"))


@pytest.fixture
def labels():
    """Return labels of frames of 20 ms without overlap."""
    return FrameLabels(2, kernels=(320,), strides=(320,))


def test_frames_have_the_labels_of_their_turns(labels):
    rows = encode_turns(TURNS, [0, 1], duration_s=1.0)
    [found] = labels([rows], [16_000], 16_000)
    assert found.shape == (50, 2)
    assert np.flatnonzero(found[:, 0]).tolist() == list(range(25))
    assert np.flatnonzero(found[:, 1]).tolist() == list(range(12, 50))


def test_a_faster_clip_has_its_turns_earlier(labels):
    rows = encode_turns(TURNS, [0, 1], duration_s=1.0)
    [found] = labels([rows], [8000], 8000)
    assert np.flatnonzero(found[:, 0]).tolist() == list(range(12))


def test_padding_and_silence_are_told_apart(labels):
    long, silent = encode_turns(TURNS, [0, 1], 1.0), encode_turns([], [], 0.5)
    found = labels([long, silent], [16_000, 8000], 16_000)
    assert (found[1, :25] == 0).all()
    assert (found[1, 25:] == -100).all()
    assert found.dtype == np.int64


def utterance(**extra):
    return Utterance(Path("talk.wav"), 1.0, "", extra=extra)


def test_turns_come_from_the_manifest_or_an_rttm_file(tmp_path):
    segments = [
        {"start": 0.25, "end": 1.0, "speaker": "b"},
        {"start": 0, "end": 0.5, "speaker": "a"},
    ]
    assert read_turns(utterance(segments=segments)) == TURNS
    path = tmp_path / "many.rttm"
    lines = ["SPEAKER talk 1 0.0 0.5 <NA> <NA> a <NA> <NA>", "SPEAKER other 1 0 9 <NA> <NA> c"]
    path.write_text("\n".join(lines))
    assert read_turns(utterance(rttm_filepath=str(path))) == TURNS[:1]
    path.write_text(lines[1] + "\n" + lines[1].replace("other", "third"))
    with pytest.raises(ManifestError, match="holds 2 recordings, none of them talk"):
        read_turns(utterance(rttm_filepath=str(path)))
