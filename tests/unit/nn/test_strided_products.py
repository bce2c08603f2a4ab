"""A strided convolution as products of views: it and its gradients are torch's."""

import pytest
import torch
import torch.nn.functional as F

from wav2vec2_conformer.nn.strided_products import (
    add_kernel_gradient,
    convolve_frames,
    flatten_kernel,
    input_gradient,
)

CONVOLUTIONS = [(10, 5), (3, 2), (2, 2), (3, 1), (1, 1), (2, 5), (7, 3)]  # kernel, stride


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize(("kernel_size", "stride"), CONVOLUTIONS)
def test_equals_torch_with_gradients(kernel_size, stride, num_channels, bias):
    weight = torch.randn(4, num_channels, kernel_size, dtype=torch.float64, requires_grad=True)
    offset = torch.randn(4, dtype=torch.float64) if bias else None
    kernel = flatten_kernel(weight.detach())
    for num_frames in range(kernel_size, kernel_size + 3 * stride + 2):
        x = torch.randn(num_frames, num_channels, dtype=torch.float64, requires_grad=True)
        expected = F.conv1d(x.t(), weight, offset, stride).t()
        found = torch.empty_like(expected)
        convolve_frames(x.detach(), kernel, offset, stride, out=found)
        torch.testing.assert_close(found, expected)

        gradient = torch.randn_like(expected)
        of_x, of_weight = torch.autograd.grad(expected, (x, weight), gradient)
        seen = (len(gradient) - 1) * stride + kernel_size  # the rest is in no window
        torch.testing.assert_close(
            input_gradient(gradient, kernel, stride, num_channels), of_x[:seen]
        )
        assert of_x[seen:].abs().sum() == 0.0
        total = torch.ones_like(kernel)
        add_kernel_gradient(total, gradient, x.detach(), stride)
        torch.testing.assert_close(total - 1.0, flatten_kernel(of_weight))


def test_a_piece_of_frames_stands_for_itself():
    """Views begin where the piece does. (Where memory is aligned otherwise, sums may be, too.)"""
    frames, kernel = torch.randn(20, 3), torch.randn(4, 9)
    alone, piece = torch.empty(2, 4), torch.empty(2, 4)
    convolve_frames(frames[7:12].clone(), kernel, None, 2, out=alone)
    convolve_frames(frames[7:12], kernel, None, 2, out=piece)
    torch.testing.assert_close(piece, alone)


def test_sixteen_bits_are_summed_up_in_more():
    x, gradient = torch.ones(2, 3, dtype=torch.bfloat16), torch.ones(1, 4, dtype=torch.bfloat16)
    total = torch.full((4, 6), 512.0)
    add_kernel_gradient(total, gradient, x, 2)
    assert total.unique().tolist() == [513.0]  # in bfloat16 it would still be 512
