"""Rung: the contrastive and diversity losses of pre-training."""

import numpy as np
import pytest
import torch

from wav2vec2_conformer import _sample_negative_indices
from wav2vec2_conformer.training.pretraining.data import FrameCount, PretrainingCollator
from wav2vec2_conformer.training.pretraining.draws import Masking


@pytest.mark.parametrize("is_padded", [False, True])
def test_evaluation(build_pair, assert_equal_outputs, padded, drawn_masks, positions, is_padded):
    pair = build_pair(
        "ForPreTraining", position_embeddings_type=positions, exact_padding=not is_padded
    )
    values, mask = padded
    ours, theirs = pair(values, mask if is_padded else None, *drawn_masks)
    assert ours.contrastive_loss > 0
    assert ours.diversity_loss > 0
    assert_equal_outputs(ours, theirs)


@pytest.mark.usefixtures("without_gumbel_noise")
def test_training(build_pair, assert_equal_outputs, padded, drawn_masks, no_dropout, positions):
    pair = build_pair("ForPreTraining", position_embeddings_type=positions, **no_dropout)
    pair.train()
    assert_equal_outputs(*pair(padded[0], None, *drawn_masks))


@pytest.mark.parametrize(
    "changes",
    [
        {"contrastive_logits_temperature": 0.5},
        {"diversity_loss_weight": 3.0},
        {"num_codevector_groups": 1, "num_codevectors_per_group": 2},  # many equal distractors
        {"num_codevector_groups": 4, "num_codevectors_per_group": 9},
    ],
    ids=str,
)
def test_settings(build_pair, assert_equal_outputs, padded, drawn_masks, changes):
    pair = build_pair("ForPreTraining", **changes)
    assert_equal_outputs(*pair(padded[0], None, *drawn_masks))


def test_without_distractors(build_pair, assert_equal_outputs, padded, drawn_masks):
    pair = build_pair("ForPreTraining")
    ours, theirs = pair(padded[0], None, drawn_masks[0])
    assert "loss" not in ours
    assert_equal_outputs(ours, theirs)


def test_distractors_as_the_specification_draws_them(build_pair, assert_equal_outputs, padded):
    """Integer masks and indices, as the specification's example makes them."""
    pair = build_pair("ForPreTraining")
    mask = torch.rand(3, 41) < 0.5
    negatives = torch.tensor(_sample_negative_indices((3, 41), 5, mask.numpy()))
    assert_equal_outputs(*pair(padded[0], None, mask.long(), negatives.long()))


def test_contrastive_logits(build_pair, assert_equal):
    pair = build_pair("ForPreTraining")
    target, negatives = torch.randn(1, 2, 7, 8), torch.randn(5, 2, 7, 8)
    predicted = torch.randn(2, 7, 8)
    ours, theirs = (
        model.compute_contrastive_logits(target, negatives, predicted, 0.3) for model in pair
    )
    assert ours.shape == (6, 2, 7)
    assert_equal(ours, theirs)


@pytest.fixture
def run_batch():
    """Return a padded batch as a pre-training run makes it."""
    count_frames = FrameCount((10, 3, 2), (5, 2, 2))
    masking = Masking(probability=0.5, span_frames=4, num_distractors=7)
    examples = []
    for number, num_samples in enumerate((810, 530, 300)):
        mask, distractors = masking.draw(
            count_frames(num_samples), seed=0, epoch=0, utterance=number
        )
        examples.append(
            {
                "waveform": np.random.default_rng(number).normal(size=num_samples).astype("f4"),
                "mask": mask,
                "distractors": distractors,
                "utterance_id": str(number),
            }
        )
    batch = PretrainingCollator()(examples)
    del batch["utterance_ids"]
    return batch


@pytest.mark.usefixtures("without_gumbel_noise")
@pytest.mark.parametrize("is_training", [False, True])
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_batches_of_a_run(build_pair, assert_equal, no_dropout, run_batch, is_training, scale):
    """Loss and gradients, per masked frame as the trainer takes them; features as slow as told."""
    pair = build_pair("ForPreTraining", exact_padding=False, **no_dropout).train(is_training)
    pair.ours.feature_gradient_scale = scale
    num_masked = run_batch["mask_time_indices"].sum()
    losses, gradients = [], []
    for model in pair:
        loss = model(**{name: value.clone() for name, value in run_batch.items()}).loss / num_masked
        loss.backward()
        losses.append(loss)
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    assert_equal(*losses)
    ours, theirs = gradients
    slow = [name for name in theirs if "feature_extractor" in name]
    assert slow
    for name in slow:
        theirs[name] = theirs[name] * scale
    assert_equal(ours, theirs, tolerance=1e-4)
