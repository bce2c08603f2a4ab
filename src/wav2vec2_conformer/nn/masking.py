"""Random draws of training: masked spans, and distractors for the contrastive task.

Papers: wav2vec 2.0, https://arxiv.org/abs/2006.11477, Sections 3.1 and 3.2; SpecAugment,
https://arxiv.org/abs/1904.08779.

All draws are vectorised, happen on the device of their input and come from torch's generator
(or the one given), so that a resumed run repeats them.

Shapes used in this file:
    B  utterances in the batch
    T  positions that can be masked (frames or channels), padded to the longest utterance
    M  distractors of a frame
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from wav2vec2_conformer.errors import InputError


def sample_mask_spans(
    lengths: Int[Tensor, " B"],
    size: int,
    *,
    probability: float,
    span_length: int,
    min_spans: int = 0,
    generator: torch.Generator | None = None,
) -> Bool[Tensor, "B T"]:
    """Choose spans to mask in each row.

    A row of length n gets `probability * n / span_length` spans (rounded up or down at random,
    at least `min_spans`, no more than fit); their starts are drawn without replacement, and
    spans may overlap. A row too short for one span is left whole.

    Args:
        lengths: Valid positions of each row.
        size: Number of columns T.
        probability: Share of positions that the spans would cover if none overlapped.
        span_length: Length of a span. A span longer than `size` is cut to it.
        min_spans: Least number of spans of a row.
        generator: Source of randomness on the device of `lengths`; torch's own by default.

    Returns:
        A mask, True where masked.

    Raises:
        InputError: `span_length` is below 1.
    """
    if span_length < 1:
        raise InputError(f"a masked span has at least 1 position, got span_length={span_length}")
    span_length = min(span_length, max(size, 1))
    device = lengths.device
    rounding = torch.rand((), device=device, generator=generator)
    # the product in double: 0.5 * 60 / 1 must not come out as 29.999999
    spans = (probability * lengths.double() / span_length + rounding).long()
    num_starts = (lengths - span_length + 1).clamp(min=0)
    spans = spans.clamp(min=min_spans).clamp(max=size // span_length).minimum(num_starts)

    columns = torch.arange(size, device=device)
    scores = torch.rand((len(lengths), size), device=device, generator=generator)
    scores = scores.masked_fill(columns >= num_starts[:, None], -1.0)
    ranks = scores.argsort(dim=1, descending=True).argsort(dim=1)
    begun = (ranks < spans[:, None]).cumsum(dim=1)  # spans that began so far
    ended = torch.nn.functional.pad(begun, (span_length, 0))[:, :size]
    return begun > ended


def sample_distractors(
    mask: Bool[Tensor, "B T"],
    num_distractors: int,
    *,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "B T M"]:
    """Draw distractors for each masked frame among the other masked frames of its utterance.

    Args:
        mask: True at masked frames.
        num_distractors: Number M of draws, uniform with replacement.
        generator: Source of randomness on the device of `mask`; torch's own by default.

    Returns:
        Frame indices within the utterance. At frames that are not masked, and where there is no
        other masked frame, the frame itself.
    """
    size = mask.shape[1]
    counts = mask.sum(dim=1)[:, None, None]  # (B, 1, 1)
    ranks = (mask.cumsum(dim=1) - 1)[:, :, None]  # rank of a masked frame among its like
    draws = torch.rand((*mask.shape, num_distractors), device=mask.device, generator=generator)
    others = (draws * (counts - 1).clamp(min=0)).long().clamp(max=size - 1)
    others = others + (others >= ranks)  # skip the frame itself
    frames = mask.logical_not().to(torch.uint8).argsort(dim=1, stable=True)  # masked ones first
    chosen = frames.gather(1, others.clamp(max=size - 1).flatten(1)).view_as(others)
    itself = torch.arange(size, device=mask.device)[None, :, None]
    return torch.where(mask[:, :, None] & (counts > 1), chosen, itself)
