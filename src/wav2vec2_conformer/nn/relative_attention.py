"""Attention with relative positions where no gradient is needed, on the CPU.

The same mathematics as in `attention.py`, in the order that suits a processor's cache: the
scores of some queries and heads are made in two small buffers, turned into weights and used up
before the next ones. One takes the scores of positions; a view of it that shows them at their
keys (as in `SelfAttention._relative_scores`) plus the scores of contents goes into the other.

Shapes used in this file:
    B  utterances in the batch
    T  frames
    H  heads
    K  width of a head
    P  relative positions, 2T - 1
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

QUERY_ROWS = 128
SCORE_ELEMENTS = 2**18  # 1 MB of float32, half of a core's own cache


def attend_in_cache(
    query: Float[Tensor, "B H T K"],
    key: Float[Tensor, "B H T K"],
    value: Float[Tensor, "B H T K"],
    projected: Float[Tensor, "H K P"],
    bias_u: Float[Tensor, "H K"],
    bias_v: Float[Tensor, "H K"],
    padding_mask: Bool[Tensor, "B T"] | None = None,
) -> Float[Tensor, "B T H K"]:
    """Return the values mixed for each query.

    Args:
        query: Queries, not scaled.
        key: Keys.
        value: Values.
        projected: Projected relative positions, from T-1 down to -(T-1).
        bias_u: Added to the queries that meet keys.
        bias_v: Added to the queries that meet positions.
        padding_mask: True at keys that no query must look at.
    """
    batch, heads, num_frames, head_dim = query.shape
    scale = head_dim**-0.5
    most_rows = min(QUERY_ROWS, num_frames)
    widest = num_frames + most_rows - 1
    heads_at_once = max(SCORE_ELEMENTS // (most_rows * widest), torch.get_num_threads())
    heads_at_once = min(heads_at_once, heads)
    position_buffer = query.new_empty(heads_at_once * most_rows * widest)
    score_buffer = query.new_empty(heads_at_once * most_rows * num_frames)
    mixed = query.new_empty(batch, num_frames, heads, head_dim)
    for utterance in range(batch):
        for first_head in range(0, heads, heads_at_once):
            part = slice(first_head, first_head + heads_at_once)
            queries = query[utterance, part]
            keys, values = key[utterance, part].transpose(1, 2), value[utterance, part]
            with_u = (queries + bias_u[part, None]).mul_(scale)
            with_v = (queries + bias_v[part, None]).mul_(scale)
            for start in range(0, num_frames, most_rows):
                block = slice(start, start + most_rows)
                count, rows = len(queries), with_v[:, block].shape[1]
                width = num_frames + rows - 1
                first = num_frames - start - rows
                positions = position_buffer[: count * rows * width].view(count, rows, width)
                torch.bmm(
                    with_v[:, block], projected[part, :, first : first + width], out=positions
                )
                at_keys = positions.as_strided(
                    (count, rows, num_frames), (rows * width, width - 1, 1), rows - 1
                )
                scores = score_buffer[: count * rows * num_frames].view_as(at_keys)
                torch.baddbmm(at_keys, with_u[:, block], keys, out=scores)
                if padding_mask is not None:
                    lowest = torch.finfo(scores.dtype).min
                    scores.masked_fill_(padding_mask[utterance], lowest)
                weights = torch.softmax(scores, 2, out=scores)
                out = mixed[utterance, block, part].transpose(0, 1)
                torch.bmm(weights, values, out=out)
    return mixed
