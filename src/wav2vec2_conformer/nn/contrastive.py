"""Contrastive task of pre-training: which quantized frame is the masked one.

Paper: Baevski et al. 2020, "wav2vec 2.0", https://arxiv.org/abs/2006.11477, Section 3.2,
equation 3.

Shapes used in this file:
    B  utterances in the batch
    T  frames
    D  width in which predictions and targets are compared
    G  codebooks
    M  distractors of a frame
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor


class Contrast(NamedTuple):
    """Result of the contrastive task, summed over masked frames."""

    loss: Float[Tensor, ""]
    """Cross entropy in nats."""
    num_correct: Int[Tensor, ""]
    """Frames whose target is more similar than every distractor, and has one to beat."""
    num_equal: Int[Tensor, ""]
    """Distractors left out because they have the target's codes."""


def compare_with_distractors(
    predictions: Float[Tensor, "B T D"],
    targets: Float[Tensor, "B T D"],
    codes: Int[Tensor, "B T G"],
    mask: Bool[Tensor, "B T"],
    distractors: Int[Tensor, "B T M"],
    *,
    temperature: float = 0.1,
) -> Contrast:
    """Tell each masked frame's target from distractors by cosine similarity.

    The cosines of an utterance's predictions with its targets are one matrix product, from
    which the distractors' are picked: no distractor is ever copied. All in float32. A distractor
    with the codes of the target is no wrong answer and is left out.

    Args:
        predictions: Encoder's guesses.
        targets: Quantized frames.
        codes: Entries that the quantizer chose, which tell equal targets.
        mask: Frames that count.
        distractors: Frames of the same utterance, from 0 to T - 1.
        temperature: Divisor of the cosines.
    """
    with torch.autocast(predictions.device.type, enabled=False):
        predictions = F.normalize(predictions.float(), dim=2, eps=1e-8)
        targets = F.normalize(targets.float(), dim=2, eps=1e-8)
        cosines = predictions @ targets.transpose(1, 2)  # (B, T, T)
        true = cosines.diagonal(dim1=1, dim2=2)[:, :, None]  # (B, T, 1)
        logits = torch.cat((true, cosines.gather(2, distractors)), dim=2) / temperature
    is_equal = _have_codes_of_target(codes, distractors)
    others = logits[:, :, 1:].masked_fill(is_equal, float("-inf"))
    logits = torch.cat((logits[:, :, :1], others), dim=2)
    losses = logits.logsumexp(dim=2) - logits[:, :, 0]  # (B, T)
    best_other = others.amax(dim=2)
    is_correct = (logits[:, :, 0] > best_other) & best_other.isfinite()
    return Contrast(
        losses.masked_fill(~mask, 0.0).sum(),
        (is_correct & mask).sum(),
        (is_equal & mask[:, :, None]).sum(),
    )


def _have_codes_of_target(
    codes: Int[Tensor, "B T G"], distractors: Int[Tensor, "B T M"]
) -> Bool[Tensor, "B T M"]:
    is_equal = torch.ones_like(distractors, dtype=torch.bool)
    for own in codes.unbind(dim=2):  # (B, T)
        drawn = own.gather(1, distractors.flatten(1)).view_as(distractors)
        is_equal &= drawn == own[:, :, None]
    return is_equal
