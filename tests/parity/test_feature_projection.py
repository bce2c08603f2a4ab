"""Rung: the projection to the encoder's width."""

import pytest
import torch


@pytest.mark.parametrize("eps", [1e-5, 1e-2])
def test_feature_projection(build_pair, assert_equal, eps):
    pair = build_pair(layer_norm_eps=eps)
    features = 0.3 * torch.randn(2, 41, 16) + 0.5
    frames, normed = pair.ours.feature_projection(features)
    their_frames, their_normed = pair.theirs.feature_projection(features)
    assert_equal(frames, their_frames)
    assert_equal(normed, their_normed)
