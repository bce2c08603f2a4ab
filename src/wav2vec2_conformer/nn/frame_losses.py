"""Losses of models that say who speaks in each frame.

Papers: Fujita et al. 2019, "End-to-End Neural Speaker Diarization with Permutation-Free
Objectives", https://arxiv.org/abs/1909.05952, Section 2.2 (several speakers at once, in any
order); Plaquet & Bredin 2023, https://arxiv.org/abs/2310.13025, Section 2 (powerset).

Shapes used in this file:
    B  recordings in the batch
    T  frames
    S  speakers
    C  classes of the powerset
"""

from itertools import permutations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from wav2vec2_conformer.nn.assignment import find_assignment
from wav2vec2_conformer.nn.powerset import find_classes, find_marginals

# With more speakers there are too many orders to try each; the marginals choose one.
_MAX_ENUMERATED = 4


def multilabel_loss(
    logits: Float[Tensor, "B T S"],
    targets: Float[Tensor, "B T S"],
    counted: Bool[Tensor, "B T"],
    *,
    is_permutation_invariant: bool = False,
) -> Float[Tensor, ""]:
    """Return the binary cross entropy of a frame and speaker, on average.

    Args:
        logits: Of the model, one for each speaker.
        targets: 1 where the speaker speaks, 0 where not; anything where `counted` is False.
        counted: Frames that count: not padding.
        is_permutation_invariant: Targets are speakers in no order: of each recording that order
            counts whose loss is least.

    Returns:
        The mean over the counted frames of the batch; 0 when there are none.
    """
    logits = logits.float()
    targets = targets.to(logits.dtype).masked_fill(~counted[..., None], 0.0)
    if is_permutation_invariant:
        # softplus(x) - x y is the cross entropy; its first part does not depend on the order.
        costs = -torch.einsum("bti,btj->bij", logits * counted[..., None], targets)
        targets = _reorder(targets, costs)
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=2)
    return _mean(losses, counted)


def powerset_loss(
    logits: Float[Tensor, "B T C"],
    targets: Float[Tensor, "B T S"],
    counted: Bool[Tensor, "B T"],
    powerset: Bool[Tensor, "C S"],
    *,
    is_permutation_invariant: bool = False,
) -> Float[Tensor, ""]:
    """Return the cross entropy of a frame's set of speakers, on average.

    Frames in which more speak than the largest set holds do not count.

    Args:
        logits: Of the model, one for each class of the powerset.
        targets: 1 where the speaker speaks, 0 where not; anything where `counted` is False.
        counted: Frames that count: not padding.
        powerset: Which speakers each class holds, as `powerset.build_powerset` returns it.
        is_permutation_invariant: Targets are speakers in no order: of each recording that order
            counts whose loss is least. With up to 4 speakers every order is tried; with more,
            the order is the one with the least binary cross entropy of the speakers' marginal
            probabilities.

    Returns:
        The mean over the counted frames of the batch; 0 when there are none.
    """
    log_probs = logits.float().log_softmax(dim=2)
    targets = targets.float().masked_fill(~counted[..., None], 0.0)
    if not is_permutation_invariant:
        losses, has_class = _class_losses(log_probs, targets, powerset)
        return _mean(losses, counted & has_class)
    num_speakers = targets.shape[2]
    if num_speakers > _MAX_ENUMERATED:
        marginals = find_marginals(log_probs, powerset).clamp(1e-6, 1 - 1e-6)
        weighted = marginals.logit() * counted[..., None]
        reordered = _reorder(targets, -torch.einsum("bti,btj->bij", weighted, targets))
        losses, has_class = _class_losses(log_probs, reordered, powerset)
        return _mean(losses, counted & has_class)
    # Whether a set is a class depends on its size alone, not on the order of the speakers.
    valid = counted & _class_losses(log_probs, targets, powerset)[1]
    totals = torch.stack(
        [
            (_class_losses(log_probs, targets[..., list(order)], powerset)[0] * valid).sum(dim=1)
            for order in permutations(range(num_speakers))
        ]
    )  # (S!, B)
    return totals.min(dim=0).values.sum() / valid.sum().clamp(min=1)


def _class_losses(
    log_probs: Tensor, targets: Tensor, powerset: Tensor
) -> tuple[Float[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """Return the loss of each frame, and whether its set of speakers is a class."""
    classes, has_class = find_classes(targets > 0.5, powerset)  # noqa: PLR2004  they are 0 or 1
    return -log_probs.gather(2, classes[..., None])[..., 0], has_class


def _reorder(
    targets: Float[Tensor, "B T S"], costs: Float[Tensor, "B S S"]
) -> Float[Tensor, "B T S"]:
    """Return the targets in the order of least cost."""
    order = find_assignment(costs)
    return targets.gather(2, order[:, None, :].expand_as(targets))


def _mean(losses: Float[Tensor, "B T"], counted: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
    return (losses * counted).sum() / counted.sum().clamp(min=1)
