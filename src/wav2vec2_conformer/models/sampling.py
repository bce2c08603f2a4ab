"""The specification's functions that draw masks and negatives, on NumPy arrays.

They wrap the vectorised draws of `nn.masking`; seed them with `torch.manual_seed`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn.masking import sample_distractors, sample_mask_spans


def _compute_mask_indices(
    shape: tuple[int, int],
    mask_prob: float,
    mask_length: int,
    attention_mask: Tensor | None = None,
    min_masks: int = 0,
) -> npt.NDArray[np.bool_]:
    """Draw spans of frames to mask.

    Args:
        shape: Batch size B and number of frames T.
        mask_prob: Share of frames that the spans would cover if none overlapped.
        mask_length: Length of a span in frames.
        attention_mask: Mask of frames [B, T], 1 where valid; padding is never masked.
        min_masks: Least number of spans of an utterance.

    Returns:
        Booleans [B, T], True where masked.

    Raises:
        InputError: `mask_length` is below 1 or above T.
    """
    batch_size, num_frames = shape
    if not 1 <= mask_length <= num_frames:
        raise InputError(
            f"mask_length must be from 1 to the number of frames, {num_frames}; got {mask_length}"
        )
    lengths = torch.full((batch_size,), num_frames)
    if attention_mask is not None:
        lengths = torch.as_tensor(attention_mask).detach().cpu().long().sum(-1)
    mask = sample_mask_spans(
        lengths,
        num_frames,
        probability=mask_prob,
        span_length=mask_length,
        min_spans=min_masks,
    )
    return mask.numpy()


def _sample_negative_indices(
    features_shape: tuple[int, ...],
    num_negatives: int,
    mask_time_indices: npt.NDArray[Any] | None = None,
) -> npt.NDArray[np.int32]:
    """Draw distractors for the contrastive loss.

    Args:
        features_shape: Batch size B and number of frames T (further entries are ignored).
        num_negatives: Number K of draws for each frame.
        mask_time_indices: Masked frames [B, T]; draws are among these. None: among all frames.

    Returns:
        Indices [B, T, K] into the flattened frames of the batch (b * T + t).
    """
    batch_size, num_frames = features_shape[:2]
    if mask_time_indices is None:
        mask = torch.ones((batch_size, num_frames), dtype=torch.bool)
    else:
        mask = torch.as_tensor(np.asarray(mask_time_indices)).bool()
    offsets = torch.arange(batch_size)[:, None, None] * num_frames
    return (sample_distractors(mask, num_negatives) + offsets).to(torch.int32).numpy()
