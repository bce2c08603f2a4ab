"""Turns become labels of frames, whatever the speed, and errors are counted as in diarization."""

from itertools import permutations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.errors import ManifestError
from wav2vec2_conformer.nn.powerset import build_powerset
from wav2vec2_conformer.training.frame_classification import (
    build_frame_metric,
    count_frame_errors,
    read_turns,
)
from wav2vec2_conformer.training.frame_labels import FrameLabels, encode_turns
from wav2vec2_conformer.training.report.examples import read_examples

TURNS = (SpeakerTurn(0.0, 0.5, "a"), SpeakerTurn(0.25, 1.0, "b"))


@pytest.fixture
def labels():
    """Return labels of frames of 20 ms without overlap."""
    return FrameLabels(2, kernels=(320,), strides=(320,))


def test_frames_have_the_labels_of_their_turns(labels):
    rows = encode_turns(TURNS, [0, 1], duration_s=1.0)
    [found] = labels([rows], [16_000])
    assert found.shape == (50, 2)
    assert np.flatnonzero(found[:, 0]).tolist() == list(range(25))
    assert np.flatnonzero(found[:, 1]).tolist() == list(range(12, 50))


def test_a_faster_clip_has_its_turns_earlier(labels):
    rows = encode_turns(TURNS, [0, 1], duration_s=1.0)
    [found] = labels([rows], [8000])
    assert np.flatnonzero(found[:, 0]).tolist() == list(range(12))


def test_padding_and_silence_are_told_apart(labels):
    long, silent = encode_turns(TURNS, [0, 1], 1.0), encode_turns([], [], 0.5)
    found = labels([long, silent], [16_000, 8000])
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


def model_of(*, invariant=False, powerset=None):
    config = SimpleNamespace(permutation_invariant_loss=invariant)
    return SimpleNamespace(config=config, powerset=powerset)


def count(logits, labels, **model):
    outputs = SimpleNamespace(logits=torch.as_tensor(logits, dtype=torch.float32))
    counts = count_frame_errors(model_of(**model), {"labels": torch.as_tensor(labels)}, outputs)
    return counts.tolist()


def test_errors_are_misses_false_alarms_and_confusions():
    labels = [[[1, 0], [1, 1], [0, 0], [1, 0], [-100, -100]]]
    logits = [[[1, -1], [1, -1], [-1, 1], [-1, 1], [1, 1]]]
    assert count(logits, labels) == [[4.0, 1.0, 1.0, 1.0]]


def test_speakers_without_order_are_matched_with_the_fitting_outputs():
    torch.manual_seed(0)
    labels = torch.randint(0, 2, (4, 30, 3))
    logits = torch.randn(4, 30, 3) + 2 * labels[:, :, [2, 0, 1]] - 1
    found = count(logits, labels, invariant=True)
    orders = [labels[:, :, list(order)] for order in permutations(range(3))]
    best = [min(sum(count(logits, order)[row][1:]) for order in orders) for row in range(4)]
    assert [sum(row[1:]) for row in found] == best
    assert sum(best) < sum(sum(row[1:]) for row in count(logits, labels))


def test_a_set_of_speakers_counts_as_its_members():
    powerset = build_powerset(2, 2)  # nobody, first, second, both
    logits = 9.0 * torch.nn.functional.one_hot(torch.tensor([[0, 1, 2, 3]]), 4)
    assert count(logits, [[[0, 0], [1, 0], [1, 0], [1, 1]]], powerset=powerset) == [
        [4.0, 0.0, 0.0, 1.0]
    ]


def test_rates_are_of_all_frames_with_speech():
    counts = np.array([[8.0, 1.0, 0.0, 1.0], [2.0, 0.0, 3.0, 0.0]])
    assert build_frame_metric()(SimpleNamespace(predictions=counts)) == {
        "frame_error_rate": pytest.approx(0.5),
        "miss_rate": pytest.approx(0.1),
        "false_alarm_rate": pytest.approx(0.3),
        "confusion_rate": pytest.approx(0.1),
    }


def test_recordings_with_most_errors_are_shown_first(tmp_path):
    counts = np.array([[8.0, 1.0, 0.0, 1.0], [2.0, 0.0, 3.0, 0.0]])
    build_frame_metric(tmp_path)(SimpleNamespace(predictions=counts, inputs=["a.wav", "b.wav"]))
    worst, second = read_examples(tmp_path)
    assert (worst.name, second.name) == ("b.wav", "a.wav")
    assert worst.reference == "2 frames with speech"
    assert worst.hypothesis == "0 missed, 3 falsely found, 0 confused"
