"""A scaled gradient: the value stays, the gradient does not."""

import pytest
import torch

from wav2vec2_conformer.nn.gradient_scale import scale_gradient


@pytest.mark.parametrize("scale", [0.0, 0.1, 3.0])
def test_the_gradient_is_scaled_and_the_value_is_not(scale):
    x = torch.randn(2, 3, requires_grad=True)
    y = scale_gradient(x, scale)
    assert torch.equal(x, y)
    (y.square().sum() + x.sum()).backward()
    torch.testing.assert_close(x.grad, 2 * scale * x.detach() + 1)


def test_what_needs_no_gradient_gets_none():
    assert not scale_gradient(torch.randn(2, 3), 0.1).requires_grad
