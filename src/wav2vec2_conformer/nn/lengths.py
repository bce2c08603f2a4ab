"""How many frames a convolution makes of how many, and masks made from such counts.

Shapes used in this file:
    B  utterances in the batch
    T  frames, padded to the longest utterance
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def conv_output_lengths(
    lengths: Int[Tensor, "..."], *, kernel_size: int, stride: int, padding: int = 0
) -> Int[Tensor, "..."]:
    """Return how many frames a convolution makes of `lengths` frames; never below zero."""
    steps = torch.div(lengths + 2 * padding - kernel_size, stride, rounding_mode="floor")
    return (steps + 1).clamp(min=0)


def padding_mask_from_lengths(lengths: Int[Tensor, " B"], num_frames: int) -> Bool[Tensor, "B T"]:
    """Return a mask of `num_frames` columns that is True where a frame is padding."""
    return torch.arange(num_frames, device=lengths.device)[None, :] >= lengths[:, None]
