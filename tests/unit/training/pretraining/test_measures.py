"""Measures follow from sums: batches may be cut in any way."""

import math

import pytest
import torch

from wav2vec2_conformer.models.pretraining import (
    PretrainingCounts,
    Wav2Vec2ConformerForPreTrainingOutput,
)
from wav2vec2_conformer.training.pretraining.measures import (
    PretrainingSums,
    compute_measures,
    describe_measures,
)


def outputs(num_masked, code_counts, penalty=None):
    return Wav2Vec2ConformerForPreTrainingOutput(
        contrastive_loss=torch.tensor(2.0 * num_masked),
        diversity_loss=torch.tensor(0.5 * num_masked, requires_grad=True),
        feature_penalty=None if penalty is None else torch.tensor(penalty * num_masked),
        counts=PretrainingCounts(
            num_masked=torch.tensor(num_masked),
            num_frames=torch.tensor(4 * num_masked),
            num_correct=torch.tensor(num_masked // 5),
            num_equal=torch.tensor(num_masked),
            code_counts=torch.tensor(code_counts),
        ),
    )


def test_measures():
    sums = PretrainingSums()
    sums({}, outputs(10, [[10, 0, 0], [5, 5, 0]], penalty=0.25))
    sums({}, outputs(20, [[0, 20, 0], [10, 10, 0]], penalty=0.25))
    measures = compute_measures(sums.take(), num_distractors=4)
    thirds = math.exp(-(math.log(1 / 3) / 3 + 2 * math.log(2 / 3) / 3))
    assert measures == pytest.approx(
        {
            "contrastive_loss": 2.0,
            "diversity_loss": 0.5,
            "feature_penalty": 0.25,
            "accuracy": 0.2,
            "equal_distractors": 0.25,
            "code_perplexity_1": thirds,
            "code_perplexity_2": 2.0,
            "masked_share": 0.25,
        }
    )


def test_taking_begins_anew():
    sums = PretrainingSums()
    sums({}, outputs(10, [[10, 0]]))
    assert int(sums.take()["num_masked"]) == 10
    assert sums.take() == {}
    sums({}, outputs(5, [[5, 0]]))
    assert int(sums.take()["num_masked"]) == 5


def test_sums_hold_no_graph():
    sums = PretrainingSums()
    sums({}, outputs(10, [[10, 0]]))
    sums({}, outputs(10, [[10, 0]]))
    assert not any(value.requires_grad for value in sums.take().values())


def test_without_masked_frames_nothing_is_divided_by_zero():
    sums = PretrainingSums()
    sums({}, outputs(0, [[0, 0]]))
    measures = compute_measures(sums.take(), num_distractors=4)
    assert all(math.isfinite(value) for value in measures.values())


def test_line_for_people():
    sums = PretrainingSums()
    sums({}, outputs(10, [[5, 5, 0], [10, 0, 0]]))
    line = describe_measures(compute_measures(sums.take(), 100), num_distractors=100)
    assert line == (
        "contrastive 2.000 (chance 4.615)  accuracy 20.0 % (chance 1.0 %)  "
        "code perplexity 2.0 + 1.0"
    )
