"""Rung: the head that labels each frame."""

import pytest
import torch


@pytest.fixture
def labels():
    return torch.randint(0, 2, (3, 41, 4))


def test_logits_and_loss(build_pair, assert_equal_outputs, waveforms, labels, positions):
    pair = build_pair("ForAudioFrameClassification", position_embeddings_type=positions)
    assert_equal_outputs(*pair(waveforms(batch_size=3), labels=labels))


def test_padded_batch(build_pair, assert_equal_outputs, padded, labels, positions):
    pair = build_pair(
        "ForAudioFrameClassification", position_embeddings_type=positions, exact_padding=False
    )
    assert_equal_outputs(*pair(*padded, labels=labels))


@pytest.mark.parametrize("is_padded", [False, True])
def test_weighted_layer_sum(
    build_pair, weighted_states, assert_equal, padded, positions, is_padded
):
    values, mask = padded
    ours, theirs = build_pair(
        "ForAudioFrameClassification",
        position_embeddings_type=positions,
        use_weighted_layer_sum=True,
        exact_padding=False,
    )
    mask = mask if is_padded else None
    expected = theirs.classifier(weighted_states(theirs, values, mask))
    assert_equal(ours(values, mask).logits, expected)
