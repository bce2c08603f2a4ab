"""The fast depthwise convolution equals torch's, forward and backward."""

import pytest
import torch
import torch.nn.functional as F

from wav2vec2_conformer.nn import depthwise
from wav2vec2_conformer.nn.depthwise import convolve_depthwise


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("num_frames", [1, 2, 7, 40])
@pytest.mark.parametrize("kernel_size", [1, 3, 15])
@pytest.mark.parametrize("frames_at_once", [3, 1_000])
def test_equals_torch_with_gradients(
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
    num_frames: int,
    kernel_size: int,
    frames_at_once: int,
) -> None:
    monkeypatch.setattr(depthwise, "PRODUCT_ELEMENTS", frames_at_once * kernel_size * 8)
    torch.manual_seed(0)
    frames = torch.randn(batch, num_frames, 8, dtype=torch.float64)
    weight = torch.randn(8, 1, kernel_size, dtype=torch.float64)
    gradient = torch.randn(batch, num_frames, 8, dtype=torch.float64)
    results = []
    for convolve in (
        convolve_depthwise,
        lambda x, w: F.conv1d(x.transpose(1, 2), w, padding=kernel_size // 2, groups=8).transpose(
            1, 2
        ),
    ):
        x, w = frames.clone().requires_grad_(), weight.clone().requires_grad_()
        out = convolve(x, w)
        out.backward(gradient)
        results.append((out.detach(), x.grad, w.grad))
    for ours, torchs in zip(*results, strict=True):
        torch.testing.assert_close(ours, torchs)


def test_frozen_weights_get_no_gradient() -> None:
    frames = torch.randn(2, 9, 4, requires_grad=True)
    weight = torch.randn(4, 1, 3)
    convolve_depthwise(frames, weight).sum().backward()
    assert frames.grad is not None
    assert weight.grad is None


def test_adds_the_bias_without_gradients() -> None:
    frames, weight, bias = torch.randn(2, 9, 4), torch.randn(4, 1, 3), torch.randn(4)
    with torch.inference_mode():
        difference = convolve_depthwise(frames, weight, bias) - convolve_depthwise(frames, weight)
    torch.testing.assert_close(difference, bias.expand(2, 9, 4))
