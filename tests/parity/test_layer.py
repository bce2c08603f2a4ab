"""Rung: one Conformer block."""

import pytest
import torch


@pytest.mark.parametrize("num_frames", [1, 41, 300])
def test_layer(build_pair, position_inputs, assert_equal, positions, num_frames):
    pair = build_pair(position_embeddings_type=positions)
    inputs = position_inputs(pair, num_frames)
    ours, theirs = (model.encoder.layers[1] for model in pair)
    frames = torch.randn(2, num_frames, 32)
    out, weights = ours(frames, *inputs.ours)
    assert_equal(out, theirs(frames, relative_position_embeddings=inputs.theirs))
    assert weights is None


def test_layer_with_keys_masked(build_pair, position_inputs, assert_equal, positions):
    pair = build_pair(position_embeddings_type=positions)
    inputs = position_inputs(pair, 41)
    ours, theirs = (model.encoder.layers[0] for model in pair)
    frames = torch.randn(2, 41, 32)
    mask = torch.zeros(2, 41, dtype=torch.bool)
    mask[1, 20:] = True
    out, _ = ours(frames, *inputs.ours, mask)
    expected = theirs(
        frames,
        attention_mask=~mask[:, None, None, :].expand(-1, -1, 41, -1),
        relative_position_embeddings=inputs.theirs,
    )
    assert_equal(out, expected)
