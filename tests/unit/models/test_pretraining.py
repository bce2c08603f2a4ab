"""What the model for pre-training adds to the reference: penalty, slower features, counts."""

from typing import Any

import pytest
import torch

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.models.pretraining import Wav2Vec2ConformerForPreTraining

from .conftest import Build

FRAMES, NEGATIVES = 49, 3


@pytest.fixture
def model(build: Build) -> Wav2Vec2ConformerForPreTraining:
    return build("ForPreTraining", num_codevectors_per_group=6, num_codevector_groups=2)


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Two utterances; the second is half padding."""
    attention_mask = torch.ones(2, 16_000, dtype=torch.long)
    attention_mask[1, 8_000:] = 0
    mask = torch.zeros(2, FRAMES, dtype=torch.bool)
    mask[0, 5:30] = mask[1, 2:14] = True
    negatives = torch.randint(2, 14, (2, FRAMES, NEGATIVES)) + torch.tensor([[[0]], [[FRAMES]]])
    return {
        "input_values": torch.randn(2, 16_000) * attention_mask,
        "attention_mask": attention_mask,
        "mask_time_indices": mask,
        "sampled_negative_indices": negatives,
    }


def gradients(model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    model.zero_grad()
    model(**batch).loss.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_as_it_comes_there_is_no_penalty(
    model: Wav2Vec2ConformerForPreTraining, batch: dict[str, torch.Tensor]
) -> None:
    out = model(**batch)
    assert out.feature_penalty is None
    assert out.counts is None
    expected = out.contrastive_loss + model.config.diversity_loss_weight * out.diversity_loss
    torch.testing.assert_close(out.loss, expected)


def test_penalty_is_the_mean_square_of_unpadded_features(
    model: Wav2Vec2ConformerForPreTraining, batch: dict[str, torch.Tensor]
) -> None:
    plain = model(**batch).loss
    model.feature_penalty_weight = 10.0
    out = model(**batch)
    encoder = model.wav2vec2_conformer.feature_extractor
    pieces = [encoder(batch["input_values"][:1]), encoder(batch["input_values"][1:, :8_000])]
    mean = torch.cat([piece[0] for piece in pieces]).square().mean()
    num_masked = 25 + 12
    torch.testing.assert_close(out.feature_penalty, mean * num_masked)
    torch.testing.assert_close(out.loss, plain + 10 * mean * num_masked)


@pytest.mark.parametrize("penalty_weight", [0.0, 10.0])
def test_only_the_feature_encoder_learns_more_slowly(
    model: Wav2Vec2ConformerForPreTraining, batch: dict[str, torch.Tensor], penalty_weight: float
) -> None:
    model.feature_penalty_weight = penalty_weight
    before = gradients(model, batch)
    model.feature_gradient_scale = 0.1
    after = gradients(model, batch)
    part = "feature_extractor."
    assert any(part in name for name in before)
    for name, gradient in before.items():
        scale = 0.1 if part in name else 1.0
        torch.testing.assert_close(after[name], gradient * scale, msg=name)


def test_counts(model: Wav2Vec2ConformerForPreTraining, batch: dict[str, torch.Tensor]) -> None:
    counts = model(**batch, output_counts=True).counts
    assert int(counts.num_masked) == 25 + 12
    assert int(counts.num_frames) == FRAMES + 24
    assert counts.code_counts.sum(dim=1).tolist() == [37, 37]
    assert 0 <= int(counts.num_correct) <= 37
    assert 0 <= int(counts.num_equal) <= 37 * NEGATIVES


def test_correct_frames_are_those_of_the_reference_logits(
    model: Wav2Vec2ConformerForPreTraining, batch: dict[str, torch.Tensor]
) -> None:
    out = model(**batch, output_counts=True)
    targets = out.projected_quantized_states
    chosen = batch["sampled_negative_indices"].where(batch["mask_time_indices"][:, :, None], 0)
    negatives = targets.flatten(0, 1)[chosen].permute(2, 0, 1, 3)
    logits = model.compute_contrastive_logits(targets[None], negatives, out.projected_states)
    same = (negatives == targets[None]).all(dim=3)
    others = logits[1:].masked_fill(same, -torch.inf)
    correct = (logits[0] > others.amax(0)) & ~same.all(0) & batch["mask_time_indices"]
    assert 0 < int(correct.sum()) < 37
    assert int(out.counts.num_correct) == int(correct.sum())


def test_indices_of_frames_that_are_not_masked_may_be_anything(
    model: Wav2Vec2ConformerForPreTraining, batch: dict[str, torch.Tensor]
) -> None:
    expected = model(**batch).loss
    batch["sampled_negative_indices"][~batch["mask_time_indices"]] = -7
    torch.testing.assert_close(model(**batch).loss, expected)


@pytest.mark.parametrize("index", [-1, 2 * FRAMES, FRAMES + 3])
def test_negatives_of_another_utterance_are_refused(
    model: Wav2Vec2ConformerForPreTraining, batch: dict[str, torch.Tensor], index: int
) -> None:
    batch["sampled_negative_indices"][0, 6, 1] = index
    with pytest.raises(InputError, match="frames of the same utterance"):
        model(**batch)


def test_the_model_is_left_without_hooks(
    model: Wav2Vec2ConformerForPreTraining, batch: dict[str, torch.Tensor]
) -> None:
    with pytest.raises(InputError):
        model(**{**batch, "input_values": torch.randn(2, 100)})
    model(**batch)
    assert not model.wav2vec2_conformer.feature_extractor._forward_hooks
