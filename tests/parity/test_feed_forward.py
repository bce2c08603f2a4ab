"""Rung: the feed-forward modules."""

import pytest
import torch


@pytest.mark.parametrize("activation", ["gelu", "swish", "relu"])
@pytest.mark.parametrize("name", ["ffn1", "ffn2"])
def test_feed_forward(build_pair, assert_equal, name, activation):
    pair = build_pair(hidden_act=activation)
    ours, theirs = (model.encoder.layers[0].get_submodule(name) for model in pair)
    frames = torch.randn(2, 41, 32)
    assert_equal(ours(frames), theirs(frames))
