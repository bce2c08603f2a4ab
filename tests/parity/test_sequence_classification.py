"""Rung: the head that labels a clip."""

import pytest
import torch

LABELS = torch.tensor([3, 0, 2])


def test_logits_and_loss(build_pair, assert_equal_outputs, waveforms, positions):
    pair = build_pair("ForSequenceClassification", position_embeddings_type=positions)
    assert_equal_outputs(*pair(waveforms(batch_size=3), labels=LABELS))


def test_padded_batch(build_pair, assert_equal_outputs, padded, positions):
    pair = build_pair(
        "ForSequenceClassification", position_embeddings_type=positions, exact_padding=False
    )
    assert_equal_outputs(*pair(*padded, labels=LABELS))


@pytest.mark.parametrize("is_padded", [False, True])
def test_weighted_layer_sum(
    build_pair, weighted_states, assert_equal, padded, positions, is_padded
):
    values, mask = padded
    ours, theirs = build_pair(
        "ForSequenceClassification",
        position_embeddings_type=positions,
        use_weighted_layer_sum=True,
        exact_padding=False,
    )
    mask = mask if is_padded else None
    projected = theirs.projector(weighted_states(theirs, values, mask))
    if is_padded:
        valid = theirs._get_feature_vector_attention_mask(41, mask)[:, :, None]
        pooled = (projected * valid).sum(1) / valid.sum(1)
    else:
        pooled = projected.mean(1)
    assert_equal(ours(values, mask).logits, theirs.classifier(pooled))
