"""The convolution module: what a frame sees."""

import pytest
import torch
import torch.nn.functional as F

from wav2vec2_conformer.errors import ConfigurationError
from wav2vec2_conformer.nn.convolution import ConvolutionModule


@pytest.fixture
def module(randomize):
    return randomize(ConvolutionModule(6, kernel_size=5, activation=F.silu)).eval()


def test_frame_sees_as_many_before_as_after_it(module):
    frames = torch.randn(1, 11, 6)
    changed = frames.clone()
    changed[0, 5] = torch.randn(6)
    effect = (module(changed) - module(frames)).abs().amax(dim=(0, 2))
    assert (effect > 1e-6).nonzero().flatten().tolist() == [3, 4, 5, 6, 7]


def test_padding_does_not_matter(module, assert_ignores_padding):
    assert_ignores_padding(module, torch.randn(3, 11, 6))


def test_padding_would_leak_without_the_mask(module):
    frames = torch.randn(1, 11, 6)
    mask = torch.arange(11)[None] >= 6
    leak = (module(frames) - module(frames, mask)).abs().amax(dim=(0, 2))
    assert (leak[:6] > 1e-6).tolist() == [False] * 4 + [True] * 2


def test_padding_does_not_matter_in_training(module, padding_mask):
    """Nor does it touch the running statistics."""
    frames = torch.randn(3, 11, 6)
    garbage = torch.where(padding_mask[:, :, None], 100.0, frames)
    module.train()
    state = {name: value.clone() for name, value in module.state_dict().items()}
    found, running_means = [], []
    for x in (frames, garbage):
        module.load_state_dict(state)
        found.append(module(x, padding_mask)[~padding_mask])
        running_means.append(module.batch_norm.running_mean.clone())
    torch.testing.assert_close(*found)
    torch.testing.assert_close(*running_means)
    assert not torch.allclose(running_means[0], state["batch_norm.running_mean"])


def test_amount_of_padding_does_not_matter_in_training(module):
    """Zeros are not counted either."""
    module.train()
    state = {name: value.clone() for name, value in module.state_dict().items()}
    frames = torch.randn(2, 8, 6)
    found, statistics = [], []
    for num_padded in (0, 1, 20):
        module.load_state_dict(state)
        padded = F.pad(frames, (0, 0, 0, num_padded))
        mask = torch.arange(8 + num_padded).expand(2, -1) >= 8
        found.append(module(padded, mask)[:, :8])
        statistics.append({name: b.clone() for name, b in module.batch_norm.named_buffers()})
    for index in (1, 2):
        torch.testing.assert_close(found[index], found[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(statistics[index], statistics[0])


def test_dropout_acts_on_the_output_in_training_alone():
    module = ConvolutionModule(6, kernel_size=5, dropout=0.5)
    frames = torch.randn(2, 50, 6)
    assert 0.3 < (module(frames) == 0.0).float().mean() < 0.7
    assert not (module.eval()(frames) == 0.0).any()


@pytest.mark.parametrize("kernel_size", [-1, 0, 2, 30])
def test_kernel_must_be_odd(kernel_size):
    with pytest.raises(ConfigurationError, match=f"odd.*got {kernel_size}"):
        ConvolutionModule(6, kernel_size=kernel_size)
