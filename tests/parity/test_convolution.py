"""Rung: the convolution module, in evaluation and in training."""

import pytest
import torch


@pytest.mark.parametrize("activation", ["gelu", "swish"])
@pytest.mark.parametrize("kernel_size", [1, 5, 31])
@pytest.mark.parametrize("num_frames", [1, 2, 41])
def test_convolution_module(build_pair, assert_equal, num_frames, kernel_size, activation):
    pair = build_pair(conv_depthwise_kernel_size=kernel_size, hidden_act=activation)
    ours, theirs = (model.encoder.layers[1].conv_module for model in pair)
    frames = torch.randn(2, num_frames, 32)
    assert_equal(ours(frames), theirs(frames))


def test_batch_norm_in_training(build_pair, assert_equal, no_dropout):
    pair = build_pair(**no_dropout).train()
    ours, theirs = (model.encoder.layers[0].conv_module for model in pair)
    before = ours.batch_norm.running_mean.clone()
    frames = torch.randn(3, 41, 32)
    assert_equal(ours(frames), theirs(frames))
    assert_equal(ours.batch_norm.state_dict(), theirs.batch_norm.state_dict())
    assert not torch.allclose(ours.batch_norm.running_mean, before, atol=1e-3)
