"""Attention with relative positions where no gradient is needed, on the CPU.

The same mathematics as in `attention.py`, in the order that suits a processor's cache: see
`head_scores.py`.

Shapes used in this file:
    B  utterances in the batch
    T  frames
    H  heads
    K  width of a head
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from wav2vec2_conformer.nn.head_scores import HeadScores, RelativePositions, heads_at_once


def attend_in_cache(
    query: Float[Tensor, "B H T K"],
    key: Float[Tensor, "B H T K"],
    value: Float[Tensor, "B H T K"],
    positions: RelativePositions,
    padding_mask: Bool[Tensor, "B T"] | None = None,
) -> Float[Tensor, "B T H K"]:
    """Return the values mixed for each query.

    Args:
        query: Queries, not scaled.
        key: Keys.
        value: Values.
        positions: Relative positions.
        padding_mask: True at keys that no query must look at.
    """
    batch, heads, num_frames, head_dim = query.shape
    mixed = query.new_empty(batch, num_frames, heads, head_dim)
    count = heads_at_once(heads, num_frames)
    for utterance in range(batch):
        hidden = None if padding_mask is None else padding_mask[utterance]
        for first_head in range(0, heads, count):
            part = slice(first_head, first_head + count)
            scores = HeadScores(
                query[utterance, part],
                key[utterance, part],
                positions.of_heads(part),
                hidden,
            )
            values = value[utterance, part].contiguous()
            for block in scores.blocks():
                out = mixed[utterance, block, part].transpose(0, 1)
                torch.bmm(scores.weigh(block), values, out=out)
    return mixed
