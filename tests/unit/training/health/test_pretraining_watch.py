"""Failures of pre-training are provoked on a tiny model, and found."""

import math

import pytest
import torch

from wav2vec2_conformer import Wav2Vec2ConformerForPreTraining
from wav2vec2_conformer.training.health.batch_watch import BatchWatch
from wav2vec2_conformer.training.health.pretraining_watch import (
    PretrainingWatch,
    compute_perplexity,
)

FRAMES = 25


@pytest.fixture
def model(config):
    return Wav2Vec2ConformerForPreTraining(config)


@pytest.fixture
def watch(model):
    return build_watch(model)


def build_watch(model):
    return PretrainingWatch(
        num_codebooks=2,
        num_entries=6,
        batches=BatchWatch(model._get_feat_extract_output_lengths),
        after_updates=20,
    )


def draw_inputs():
    """Return two clips of noise with every frame masked and three negatives of each."""
    negatives = torch.randint(FRAMES, (2, FRAMES, 3))
    negatives[1] += FRAMES
    return {
        "input_values": torch.randn(2, 8_000),
        "mask_time_indices": torch.ones(2, FRAMES, dtype=torch.bool),
        "sampled_negative_indices": negatives,
    }


def train(model, watch, *, updates, learning_rate):
    """Train on noise and return all findings by detector."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    found = []
    for step in range(updates):
        inputs = draw_inputs()
        outputs = model(**inputs, output_counts=True)
        if learning_rate:
            outputs.loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        found.append(watch.look(step, inputs, outputs))
    return found


def test_a_loss_that_stays_at_chance_is_found(model, watch):
    """Noise cannot be predicted: the loss falls to ln(K + 1) and no further."""
    found = train(model, watch, updates=60, learning_rate=3e-3)
    assert all(f["chance_level"] is None for f in found[:20])
    finding = found[-1]["chance_level"]
    assert finding is not None
    assert "4 candidates" in finding.what
    assert "bits" in finding.what


def test_a_collapsed_codebook_is_not_taken_for_success(model, watch):
    """With one entry for all frames every negative equals its true frame: loss 0."""
    torch.nn.init.zeros_(model.quantizer.weight_proj.weight)
    model.quantizer.weight_proj.bias.data[[0, 6]] = 50.0
    found = train(model, watch, updates=21, learning_rate=0.0)
    equal = found[-1]["equal_negatives"]
    assert "loss is 0.000, which looks like success: 100 %" in equal.what
    assert "chance_level" not in found[-1]
    collapse = found[-1]["codebook_collapse"]
    assert "perplexity is 2.00 where 2 is the least and 12 the most" in collapse.what
    assert found[18]["equal_negatives"] is None  # not before a window is full


@pytest.mark.parametrize(("diversity_weight", "collapses"), [(0.0, True), (0.1, False)])
def test_training_that_collapses_is_found(config, diversity_weight, collapses):
    """With no weight of diversity few codes are the cheapest; with it the same run keeps many."""
    config.diversity_loss_weight = diversity_weight
    model = Wav2Vec2ConformerForPreTraining(config)
    model.set_gumbel_temperature(0.5)
    watch = build_watch(model)
    found = train(model, watch, updates=150, learning_rate=3e-2)
    names = {name for findings in found for name, finding in findings.items() if finding}
    collapse = {"codebook_collapse", "equal_negatives", "perplexity_fall"}
    assert names & collapse == (collapse if collapses else set())
    loss_looks_like_success = "chance_level" not in found[-1]
    assert loss_looks_like_success == collapses


def test_codebooks_that_die_out_are_found(model, watch):
    torch.nn.init.zeros_(model.quantizer.weight_proj.weight)  # all entries alike
    found = train(model, watch, updates=45, learning_rate=0.0)
    assert found[-1]["perplexity_fall"] is None
    model.quantizer.weight_proj.bias.data[[0, 6]] = 3.5
    found = [
        watch.look(45 + step, inputs, model(**inputs, output_counts=True))
        for step, inputs in enumerate([draw_inputs() for _ in range(25)])
    ]
    assert "has fallen from 11" in found[-1]["perplexity_fall"].what


def test_a_loss_that_is_not_finite_is_found(model, watch):
    model.project_hid.weight.data.fill_(math.inf)
    inputs = draw_inputs() | {"utterance_ids": ["a.wav", "b.wav"]}
    taken = {name: value for name, value in inputs.items() if name != "utterance_ids"}
    found = watch.look(0, inputs, model(**taken, output_counts=True))
    assert found["infinite_loss"].utterances == ("a.wav", "b.wav")
    assert "chance_level" not in found


def test_perplexity_counts_entries_in_use():
    counts = torch.tensor([[5, 5, 0, 0], [8, 0, 0, 0]])
    assert compute_perplexity(counts) == pytest.approx(2 + 1)
