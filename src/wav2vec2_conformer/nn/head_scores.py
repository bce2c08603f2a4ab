"""Attention weights of a few heads of one utterance, made of blocks of queries in the cache.

Scores of some queries and heads are made in two small buffers. One takes the scores of positions;
a view of it that shows them at their keys (as in `SelfAttention._relative_scores`) is added to the
scores of contents in the other, which is turned into weights before the next block comes.

Shapes used in this file:
    T  queries
    N  keys, the first ones of T frames
    N2 positions between a block's queries and the keys, N + Q - 1
    Q  queries of one block
    H  heads taken at once
    K  width of a head
    P  relative positions, 2T - 1
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

QUERY_ROWS = 128
SCORE_ELEMENTS = 2**18  # for each thread 1 MB of float32, half of a core's own cache


class RelativePositions(NamedTuple):
    """What relative positions add to attention."""

    projected: Float[Tensor, "H K P"]
    """Projected relative positions, from T-1 down to -(T-1)."""
    bias_u: Float[Tensor, "H K"]
    """Added to the queries that meet keys."""
    bias_v: Float[Tensor, "H K"]
    """Added to the queries that meet positions."""

    def of_heads(self, heads: slice) -> "RelativePositions":
        """Return those of some heads."""
        return RelativePositions(*(tensor[heads] for tensor in self))


class HeadScores:
    """What the scores of some heads of an utterance are made of.

    Args:
        query: Queries, not scaled.
        key: Keys.
        positions: Those of the same heads; None for attention without positions.
        padding_mask: True at keys that no query must look at; None for none.
    """

    def __init__(
        self,
        query: Float[Tensor, "H T K"],
        key: Float[Tensor, "H N K"],
        positions: RelativePositions | None,
        padding_mask: Bool[Tensor, " N"] | None,
    ) -> None:
        self.scale = query.shape[2] ** -0.5
        self.positions = positions
        self.padding_mask = padding_mask
        # Copied, since frames whose distance is a power of two share few places in a cache.
        self.key = key.contiguous()
        heads, num_frames, _ = query.shape
        rows, num_keys = min(QUERY_ROWS, num_frames), key.shape[1]
        self._score_buffer = query.new_empty(heads * rows * num_keys)
        if positions is None:
            self.with_u = query * self.scale
        else:
            self.with_u = (query + positions.bias_u[:, None]).mul_(self.scale)
            self.with_v = (query + positions.bias_v[:, None]).mul_(self.scale)
            self._position_buffer = query.new_empty(heads * rows * (num_keys + rows - 1))

    def blocks(self) -> Iterator[slice]:
        """Yield the queries of each block."""
        num_frames = self.with_u.shape[1]
        for start in range(0, num_frames, QUERY_ROWS):
            yield slice(start, min(start + QUERY_ROWS, num_frames))

    def weigh(self, block: slice) -> Float[Tensor, "H Q N"]:
        """Return the weights of a block, in a buffer that the next block's will overwrite."""
        shape = len(self.key), block.stop - block.start, self.key.shape[1]
        scores = self._score_buffer[: shape[0] * shape[1] * shape[2]].view(shape)
        torch.bmm(self.with_u[:, block], self.key.transpose(1, 2), out=scores)
        if self.positions is not None:
            of_positions = self.position_buffer(block)
            projected = self.positions.projected[:, :, self.positions_of(block)]
            torch.bmm(self.with_v[:, block], projected, out=of_positions)
            scores += at_keys(of_positions)
        if self.padding_mask is not None:
            # finfo.min, not -inf: a row without any valid key must not become NaN
            scores.masked_fill_(self.padding_mask, torch.finfo(scores.dtype).min)
        return torch.softmax(scores, 2, out=scores)

    def positions_of(self, block: slice) -> slice:
        """Return the N + Q - 1 positions that occur between a block's queries and the keys."""
        first = self.with_u.shape[1] - block.stop
        return slice(first, first + self.key.shape[1] + block.stop - block.start - 1)

    def position_buffer(self, block: slice) -> Float[Tensor, "H Q N2"]:
        """Return the buffer of the scores of these positions."""
        rows = block.stop - block.start
        shape = len(self.key), rows, self.key.shape[1] + rows - 1
        return self._position_buffer[: shape[0] * shape[1] * shape[2]].view(shape)


def at_keys(of_positions: Float[Tensor, "H Q N2"]) -> Float[Tensor, "H Q N"]:
    """Return a view of a block's scores of positions that shows them at their keys."""
    heads, rows, width = of_positions.shape
    shape = heads, rows, width - rows + 1
    return of_positions.as_strided(shape, (rows * width, width - 1, 1), rows - 1)


def heads_at_once(num_heads: int, num_frames: int) -> int:
    """Return how many heads' scores fit into the threads' caches: one for each at least."""
    rows, num_threads = min(QUERY_ROWS, num_frames), torch.get_num_threads()
    fitting = max(num_threads * SCORE_ELEMENTS // (rows * (num_frames + rows - 1)), num_threads)
    num_parts = math.ceil(num_heads / fitting)
    return math.ceil(num_heads / num_parts)  # parts of about the same size
