"""Attention with a gradient on the CPU, without scores of all pairs in memory.

Weights are made of a few heads of one utterance at a time, in the cache (see `head_scores.py`),
and made once more on the way back. Kept is one byte for each pair, and only with dropout. Keys
behind an utterance's last valid frame are not computed.

Shapes used in this file:
    B  utterances in the batch
    T  frames, padded to the longest utterance
    N  frames up to an utterance's last valid one
    H  heads
    K  width of a head
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from wav2vec2_conformer.nn.dropout import draw_kept
from wav2vec2_conformer.nn.head_scores import HeadScores, RelativePositions, at_keys, heads_at_once


def attend_with_gradient(
    query: Float[Tensor, "B H T K"],
    key: Float[Tensor, "B H T K"],
    value: Float[Tensor, "B H T K"],
    positions: RelativePositions | None = None,
    padding_mask: Bool[Tensor, "B T"] | None = None,
    *,
    dropout: float = 0.0,
) -> Float[Tensor, "B T H K"]:
    """Return the values mixed for each query.

    Args:
        query: Queries, not scaled.
        key: Keys.
        value: Values.
        positions: Relative positions, or None.
        padding_mask: True at keys that no query must look at.
        dropout: Probability of dropping a weight.
    """
    tensors = (query, key, value, *(positions or ()))
    mixed: Tensor = _TrainedAttention.apply(padding_mask, dropout, *tensors)
    return mixed


class _Part(NamedTuple):
    """Some heads of one utterance."""

    utterance: int
    heads: slice
    num_keys: int
    hidden: Bool[Tensor, " N"] | None
    """Keys in between that no query must look at."""

    def scores(self, tensors: Sequence[Tensor]) -> HeadScores:
        query, key, _, *others = tensors
        return HeadScores(
            query[self.utterance, self.heads],
            key[self.utterance, self.heads, : self.num_keys],
            RelativePositions(*others).of_heads(self.heads) if others else None,
            self.hidden,
        )

    def values(self, tensors: Sequence[Tensor]) -> Float[Tensor, "H N K"]:
        return tensors[2][self.utterance, self.heads, : self.num_keys].contiguous()


def _parts(
    query: Float[Tensor, "B H T K"], padding_mask: Bool[Tensor, "B T"] | None
) -> Iterator[_Part]:
    """Yield what is computed at once."""
    batch, num_heads, num_frames, _ = query.shape
    count = heads_at_once(num_heads, num_frames)
    for utterance in range(batch):
        num_keys, hidden = num_frames, None
        if padding_mask is not None:
            valid = (~padding_mask[utterance]).nonzero()
            num_keys = int(valid[-1]) + 1 if len(valid) else num_frames
            hidden = padding_mask[utterance, :num_keys] if len(valid) < num_keys else None
        for first_head in range(0, num_heads, count):
            heads = slice(first_head, min(first_head + count, num_heads))
            yield _Part(utterance, heads, num_keys, hidden)


class _TrainedAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, padding_mask: Bool[Tensor, "B T"] | None, dropout: float, *tensors: Tensor
    ) -> Float[Tensor, "B T H K"]:
        query = tensors[0]
        batch, num_heads, num_frames, head_dim = query.shape
        mixed = query.new_empty(batch, num_frames, num_heads, head_dim)
        ctx.scale, all_kept = 1.0, []
        for part in _parts(query, padding_mask):
            scores, values = part.scores(tensors), part.values(tensors)
            if dropout > 0.0:
                shape = torch.Size((len(values), num_frames, part.num_keys))
                kept, ctx.scale = draw_kept(shape, dropout)
                all_kept.append(kept)
            for block in scores.blocks():
                weights = scores.weigh(block)
                if dropout > 0.0:
                    weights *= kept[:, block]
                out = mixed[part.utterance, block, part.heads].transpose(0, 1)
                torch.bmm(weights, values, out=out)
        ctx.num_tensors = len(tensors)
        ctx.save_for_backward(padding_mask, *tensors, *all_kept)
        return mixed.mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, gradient: Float[Tensor, "B T H K"]) -> tuple[Tensor | None, ...]:
        padding_mask, *saved = ctx.saved_tensors
        tensors, all_kept = saved[: ctx.num_tensors], saved[ctx.num_tensors :]
        if torch.is_grad_enabled():  # somebody wants gradients of these gradients
            return None, None, *_record_gradients(ctx, padding_mask, tensors, all_kept, gradient)
        gradients = _Gradients(tensors)
        gradient = gradient * ctx.scale
        for index, part in enumerate(_parts(tensors[0], padding_mask)):
            gradients.add(part, gradient, all_kept[index] if all_kept else None)
        return None, None, *gradients.sums


class _Gradients:
    """Gradients of the tensors that attention is made of."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.tensors = tensors
        self.sums = [torch.zeros_like(tensor) for tensor in tensors]

    def add(self, part: _Part, gradient: Float[Tensor, "B T H K"], kept: Tensor | None) -> None:
        """Add what follows from the gradient of some heads of an utterance."""
        scores, value = part.scores(self.tensors), part.values(self.tensors)
        of_mixed = gradient[part.utterance, :, part.heads].transpose(0, 1)  # (H, T, K)
        with_u, with_v = torch.zeros_like(scores.with_u), torch.zeros_like(scores.with_u)
        keys, values = torch.zeros_like(scores.key), torch.zeros_like(value)
        for block in scores.blocks():
            weights = scores.weigh(block)
            of_weights = of_mixed[:, block] @ value.transpose(1, 2)
            dropped = weights
            if kept is not None:
                of_weights *= kept[:, block]
                dropped = weights * kept[:, block]
            values.baddbmm_(dropped.transpose(1, 2), of_mixed[:, block])
            # Through the softmax: weights * (of_weights - sum of weights * of_weights).
            of_weights *= weights
            of_scores = of_weights.addcmul_(weights, of_weights.sum(2, keepdim=True), value=-1.0)
            torch.bmm(of_scores, scores.key, out=with_u[:, block])
            keys.baddbmm_(of_scores.transpose(1, 2), scores.with_u[:, block])
            if scores.positions is not None:
                with_v[:, block] = self._add_positions(part, scores, block, of_scores)
        rows = slice(0, part.num_keys)
        self.sums[1][part.utterance, part.heads, rows] = keys
        self.sums[2][part.utterance, part.heads, rows] = values
        if scores.positions is not None:
            self.sums[4][part.heads] += with_u.sum(1).mul_(scores.scale)
            self.sums[5][part.heads] += with_v.sum(1).mul_(scores.scale)
        self.sums[0][part.utterance, part.heads] = with_u.add_(with_v).mul_(scores.scale)

    def _add_positions(
        self,
        part: _Part,
        scores: HeadScores,
        block: slice,
        of_scores: Float[Tensor, "H Q N"],
    ) -> Float[Tensor, "H Q K"]:
        """Add to the positions' gradient; return that of a block's queries that met them."""
        of_positions = scores.position_buffer(block).zero_()
        at_keys(of_positions).copy_(of_scores)
        near = scores.positions_of(block)
        total = self.sums[3][part.heads, :, near]
        total.baddbmm_(scores.with_v[:, block].transpose(1, 2), of_positions)
        return of_positions @ self.tensors[3][part.heads, :, near].transpose(1, 2)


def _record_gradients(
    ctx: Any,
    padding_mask: Bool[Tensor, "B T"] | None,
    tensors: Sequence[Tensor],
    all_kept: Sequence[Tensor],
    gradient: Float[Tensor, "B T H K"],
) -> list[Tensor | None]:
    """Return the gradients by operations that autograd can record, at its usual cost."""
    # Aliases, since the same tensor may be in several places.
    tensors = [tensor.view_as(tensor) for tensor in tensors]
    query, key, value, *others = tensors
    positions = RelativePositions(*others) if others else None
    mixed = torch.zeros_like(gradient)
    for index, part in enumerate(_parts(query, padding_mask)):
        rows, queries = slice(0, part.num_keys), query[part.utterance, part.heads]
        keys = key[part.utterance, part.heads, rows].transpose(1, 2)
        if positions is None:
            scores = queries @ keys
        else:
            projected, bias_u, bias_v = positions.of_heads(part.heads)
            near = projected[:, :, : query.shape[2] + part.num_keys - 1]
            of_positions = (queries + bias_v[:, None]) @ near
            scores = (queries + bias_u[:, None]) @ keys + at_keys(of_positions.contiguous())
        scores = scores * query.shape[3] ** -0.5
        if part.hidden is not None:
            scores = scores.masked_fill(part.hidden, torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=2)
        if all_kept:
            weights = weights * all_kept[index] * ctx.scale
        out = weights @ value[part.utterance, part.heads, rows]
        mixed[part.utterance, :, part.heads] = out.transpose(0, 1)
    places = [index for index in range(len(tensors)) if ctx.needs_input_grad[2 + index]]
    wanted = [tensors[place] for place in places]
    found = torch.autograd.grad(mixed, wanted, gradient, create_graph=True)
    by_place = dict(zip(places, found, strict=True))
    return [by_place.get(place) for place in range(len(tensors))]
