"""Convolutions under CPU autocast.

The bfloat16 weight gradient of torch's CPU convolutions (oneDNN, torch 2.13) now and then holds
NaN for finite inputs; the same call repeated is right. One such step ends a training run. So a
strided convolution becomes a matrix product there, which is sound in bfloat16 and, with more than
one input channel, faster than the convolution in float32. Any other stays in float32.

Shapes used in this file:
    B  utterances in the batch
    C  channels
    T  frames
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def convolve(conv: nn.Conv1d, x: Float[Tensor, "B C T"]) -> Float[Tensor, "B C2 T2"]:
    """Apply a convolution, under CPU autocast without torch's bfloat16 convolution."""
    if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return conv(x)
    if conv.groups == 1 and conv.padding == (0,):
        return convolve_as_product(conv, x)
    with torch.autocast("cpu", enabled=False):
        return conv(x.to(conv.weight.dtype))


def convolve_as_product(conv: nn.Conv1d, x: Float[Tensor, "B C T"]) -> Float[Tensor, "B C2 T2"]:
    """Apply a strided convolution as one matrix product over blocks of `stride` frames.

    A kernel spans n blocks. Each block is multiplied with each n-th of the kernel, and shifted
    products are added up: no frame is copied.
    """
    kernel_size, stride = conv.kernel_size[0], conv.stride[0]
    spanned = -(-kernel_size // stride)
    num_frames = (x.shape[2] - kernel_size) // stride + 1
    needed = (num_frames - 1 + spanned) * stride
    frames = x.transpose(1, 2)  # (B, T, C)
    frames = F.pad(frames, (0, 0, 0, max(0, needed - x.shape[2])))[:, :needed]
    blocks = frames.unflatten(1, (-1, stride)).flatten(2)  # (B, T2 + n - 1, stride * C)
    weight = F.pad(conv.weight, (0, spanned * stride - kernel_size))
    weight = weight.unflatten(2, (spanned, stride)).permute(2, 0, 3, 1).flatten(2).flatten(0, 1)
    products = F.linear(blocks, weight).unflatten(2, (spanned, -1))
    out = products[:, :num_frames, 0]
    for index in range(1, spanned):
        out = out + products[:, index : index + num_frames, index]
    if conv.bias is not None:
        out = out + conv.bias.to(out.dtype)
    return out.transpose(1, 2)
