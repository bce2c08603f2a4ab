"""Packed frames: the valid frames of a batch in one row, one utterance after the other.

What treats each frame on its own (norms, feed-forwards, projections) then computes no padding,
and need not know of the packing. Attention and convolution treat each utterance on its own.

Shapes used in this file:
    B  utterances in the batch
    T  frames, padded to the longest utterance
    N  valid frames of all utterances
    D  width
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from wav2vec2_conformer.nn.in_place import may_write_over
from wav2vec2_conformer.nn.lengths import padding_mask_from_lengths

# Less padding than this is cheaper to compute than to leave out.
MIN_PADDED_SHARE = 0.05


def worth_packing(lengths: Int[Tensor, " B"], num_frames: int) -> bool:
    """Return whether so much of a batch is padding that utterances are better treated singly.

    Args:
        lengths: Valid frames (or samples) of each utterance.
        num_frames: What they are padded to.

    Only on the CPU and where nothing records the pass: elsewhere few large operations are
    better than many small ones, and a look at the lengths would stall the device.
    """
    if lengths.device.type != "cpu" or not may_write_over():
        return False
    return int(lengths.sum()) <= (1.0 - MIN_PADDED_SHARE) * num_frames * len(lengths)


def packed_lengths(padding_mask: Bool[Tensor, "B T"]) -> list[int] | None:
    """Return the number of frames of each utterance, or None if packing is not worth it.

    Utterances without any frame are not among them.
    """
    lengths = (~padding_mask).sum(dim=1)
    num_frames = padding_mask.shape[1]
    if not worth_packing(lengths, num_frames):
        return None
    if not torch.equal(padding_mask, padding_mask_from_lengths(lengths, num_frames)):
        return None  # padding on the left or in between takes part in the positions
    return [length for length in lengths.tolist() if length] or None


def pack(x: Float[Tensor, "B T D"], padding_mask: Bool[Tensor, "B T"]) -> Float[Tensor, "1 N D"]:
    """Put the valid frames into one row."""
    return x[~padding_mask][None]


def unpack(
    packed: Float[Tensor, "1 N D"], padding_mask: Bool[Tensor, "B T"]
) -> Float[Tensor, "B T D"]:
    """Put packed frames back to where they were; padding is zero."""
    x = packed.new_zeros(*padding_mask.shape, packed.shape[2])
    x[~padding_mask] = packed[0]
    return x
