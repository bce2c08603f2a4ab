"""Errors of frames are counted as in diarization, and the worst recordings are kept to be drawn."""

from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.nn.powerset import build_powerset
from wav2vec2_conformer.training.evaluation_rows import pad_rows
from wav2vec2_conformer.training.frame_scores import (
    build_frame_metric,
    count_frame_errors,
    find_active,
)
from wav2vec2_conformer.training.report.examples import Timeline, read_examples


def model_of(*, invariant=False, powerset=None):
    config = SimpleNamespace(permutation_invariant_loss=invariant)
    return SimpleNamespace(config=config, powerset=powerset)


def find(logits, labels, **model):
    outputs = SimpleNamespace(logits=torch.as_tensor(logits, dtype=torch.float32))
    return find_active(model_of(**model), {"labels": torch.as_tensor(labels)}, outputs).numpy()


def count(logits, labels, **model):
    found = find(logits, labels, **model)
    return count_frame_errors(np.asarray(labels) > 0, found > 0).tolist()


def test_errors_are_misses_false_alarms_and_confusions():
    labels = [[[1, 0], [1, 1], [0, 0], [1, 0], [-100, -100]]]
    logits = [[[1, -1], [1, -1], [-1, 1], [-1, 1], [1, 1]]]
    assert count(logits, labels) == [[4, 1, 1, 1]]


def test_speakers_without_order_are_matched_with_the_fitting_outputs():
    torch.manual_seed(0)
    labels = torch.randint(0, 2, (4, 30, 3))
    logits = torch.randn(4, 30, 3) + 2 * labels[:, :, [2, 0, 1]] - 1
    found = count(logits, labels, invariant=True)
    orders = [labels[:, :, list(order)] for order in permutations(range(3))]
    best = [min(sum(count(logits, order)[row][1:]) for order in orders) for row in range(4)]
    assert [sum(row[1:]) for row in found] == best
    assert sum(best) < sum(sum(row[1:]) for row in count(logits, labels))


def test_what_was_found_stands_in_the_column_of_who_speaks():
    labels = torch.tensor([[[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]])
    logits = 2.0 * labels[:, :, [1, 2, 0]] - 1  # output 2 is the first speaker
    assert find(logits, labels, invariant=True).tolist() == labels.tolist()


def test_a_set_of_speakers_counts_as_its_members():
    powerset = build_powerset(2, 2)  # nobody, first, second, both
    logits = 9.0 * torch.nn.functional.one_hot(torch.tensor([[0, 1, 2, 3]]), 4)
    labels = [[[0, 0], [1, 0], [1, 0], [1, 1]]]
    assert count(logits, labels, powerset=powerset) == [[4, 0, 0, 1]]


@pytest.fixture
def prediction():
    """Return what an evaluation of two recordings gives to the metric."""
    nobody, first, both = [0, 0], [1, 0], [1, 1]
    labels = [np.array([first] * 4 + [both] * 2), np.array([first, nobody, nobody])]
    found = [np.array([first] * 5 + [nobody]), np.array([both, both, nobody])]
    return SimpleNamespace(
        predictions=pad_rows([f.astype(np.int8) for f in found]),
        label_ids=pad_rows(labels),
        inputs=["talks/a.wav", "talks/b.wav"],
    )


def test_rates_are_of_all_frames_with_speech(prediction):
    assert build_frame_metric(["anna", "ben"], 0.5)(prediction) == {
        "frame_error_rate": pytest.approx(6 / 9),
        "miss_rate": pytest.approx(3 / 9),
        "false_alarm_rate": pytest.approx(3 / 9),
        "confusion_rate": 0.0,
    }


def test_recordings_with_most_errors_are_kept_with_their_turns(prediction, tmp_path):
    prediction.predictions[1, 2] = 1
    build_frame_metric(["anna", "ben"], 0.5, tmp_path)(prediction)
    worst, second = read_examples(tmp_path)
    assert (worst.name, second.name) == ("talks/b.wav", "talks/a.wav")
    assert worst.reference == "1 frames with speech"
    assert worst.hypothesis == "0 missed, 5 falsely found, 0 confused"
    assert worst.timeline.duration_s == 1.5  # without padding
    assert second.timeline == Timeline(
        3.0,
        (SpeakerTurn(0.0, 3.0, "anna"), SpeakerTurn(2.0, 3.0, "ben")),
        (SpeakerTurn(0.0, 2.5, "anna"),),
    )
