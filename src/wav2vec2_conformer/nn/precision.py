"""Convolutions that stay in float32 under CPU autocast.

The bfloat16 weight gradient of torch's CPU convolutions (oneDNN, torch 2.13) now and then holds
NaN for finite inputs: the same call repeated is right. One such step ends a training run.

Shapes used in this file:
    B  utterances in the batch
    C  channels
    T  frames
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def convolve(conv: nn.Conv1d, x: Float[Tensor, "B C T"]) -> Float[Tensor, "B C2 T2"]:
    """Apply a convolution; under CPU autocast in the precision of its weight."""
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return conv(x.to(conv.weight.dtype))
    return conv(x)
