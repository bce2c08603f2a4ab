"""A strided convolution as a matrix product; what autocast may compute in 16 bits."""

import pytest
import torch
from torch import nn

from wav2vec2_conformer.nn.precision import convolve, convolve_as_product

CONVOLUTIONS = [(10, 5), (3, 2), (2, 2), (3, 1), (1, 1), (2, 5), (7, 3)]  # kernel, stride


def run(function, conv, x):
    """Return the result and the gradients of input and parameters."""
    conv.zero_grad()
    x = x.clone().requires_grad_()
    out = function(conv, x)
    (out * torch.linspace(-1.0, 1.0, out.numel()).view(out.shape)).sum().backward()
    return out, x.grad, [parameter.grad.clone() for parameter in conv.parameters()]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("kernel_size", "stride"), CONVOLUTIONS)
def test_product_equals_convolution(kernel_size, stride, bias):
    conv = nn.Conv1d(3, 4, kernel_size, stride, bias=bias)
    for num_frames in range(kernel_size, kernel_size + 3 * stride + 2):
        x = torch.randn(2, 3, num_frames)
        expected = run(lambda conv, x: conv(x), conv, x)
        torch.testing.assert_close(
            run(convolve_as_product, conv, x), expected, atol=1e-5, rtol=1e-5
        )


@pytest.fixture
def products(monkeypatch):
    """Return a list that grows with each convolution taken as a product."""
    taken = []

    def note(conv, x):
        taken.append(conv)
        return convolve_as_product(conv, x)

    monkeypatch.setattr("wav2vec2_conformer.nn.precision.convolve_as_product", note)
    return taken


@pytest.mark.parametrize("bias", [False, True])
def test_autocast_takes_a_strided_convolution_as_a_product(products, bias):
    conv, x = nn.Conv1d(3, 4, 3, 2, bias=bias), torch.randn(2, 3, 19)
    expected = conv(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = convolve(conv, x)
    assert products == [conv]
    torch.testing.assert_close(found.float(), expected, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("settings", [{"groups": 4}, {"padding": 1}], ids=str)
def test_autocast_leaves_other_convolutions_in_full_precision(products, settings):
    conv, x = nn.Conv1d(4, 4, 3, **settings), torch.randn(2, 4, 19)
    expected = conv(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = convolve(conv, x.bfloat16().float())
        of_half = convolve(conv, x.bfloat16())
    assert products == []
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, of_half)
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0.02)
    torch.testing.assert_close(found, conv(x.bfloat16().float()), atol=0.0, rtol=0.0)


def test_without_autocast_it_is_the_convolution_itself(products):
    conv, x = nn.Conv1d(3, 4, 3, 2), torch.randn(2, 3, 19)
    torch.testing.assert_close(convolve(conv, x), conv(x), atol=0.0, rtol=0.0)
    assert products == []
