"""The feed-forward module: one frame at a time."""

import torch
import torch.nn.functional as F

from wav2vec2_conformer.nn.feed_forward import FeedForward


def test_frames_do_not_see_each_other(randomize):
    module = randomize(FeedForward(6, 10, activation=F.silu))
    frames = torch.randn(2, 5, 6)
    together = module(frames)
    assert together.shape == (2, 5, 6)
    for t in range(5):
        torch.testing.assert_close(module(frames[:, t : t + 1])[:, 0], together[:, t])


def test_is_two_linear_maps_and_an_activation(randomize):
    module = randomize(FeedForward(6, 10, activation=F.silu))
    x = torch.randn(2, 5, 6)
    wide = F.silu(x @ module.intermediate_dense.weight.T + module.intermediate_dense.bias)
    expected = wide @ module.output_dense.weight.T + module.output_dense.bias
    torch.testing.assert_close(module(x), expected)


def test_dropouts_act_in_training_alone(randomize):
    frames = torch.randn(2, 50, 6)
    for settings in ({"dropout": 0.5}, {"activation_dropout": 0.5}):
        module = randomize(FeedForward(6, 10, activation=F.silu, **settings))
        first, second = module(frames), module(frames)
        assert not torch.equal(first, second)
        dropped = (first == 0.0).float().mean()
        assert 0.3 < dropped < 0.7 if "dropout" in settings else dropped == 0.0
        module.eval()
        assert torch.equal(module(frames), module(frames))
