"""Attention by torch's FlexAttention: for GPUs, without gradient, on request.

Paper: Dong et al. 2024, "Flex Attention", https://arxiv.org/abs/2412.05496.

A kernel made for the purpose adds the scores of positions where it makes those of contents, and
leaves out blocks of keys that are padding alone. So neither scores of all pairs nor a bias of
their size is in memory. What the kernel adds are scores (q_i + v) p_{i-j} of some queries with the
positions that these need; where i and j meet is a view of them (see `head_scores.py`).

On a GPU torch compiles the kernel at the first call, for any number of frames. On a CPU it is not
compiled: slow, and with scores of all pairs, but with the same result.

Shapes used in this file:
    B  utterances in the batch
    T  frames, padded to the longest utterance
    Q  frames of one block of queries
    N  blocks of keys
    M  blocks of queries
    H  heads
    K  width of a head
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn.head_scores import RelativePositions, at_keys

# The scores of positions of so many queries are in memory at a time.
QUERY_BLOCK_FRAMES = 256
BLOCK_FRAMES = 128  # what torch's kernels are made for


class FlexAttention:
    """FlexAttention in one padded batch.

    Args:
        padding_mask: True where a frame is padding. None means that no frame is.
    """

    def __init__(self, padding_mask: Bool[Tensor, "B T"] | None) -> None:
        self._valid = None if padding_mask is None else ~padding_mask
        self._masks: dict[int, BlockMask] = {}

    def attend(
        self,
        query: Float[Tensor, "B H T K"],
        key: Float[Tensor, "B H T K"],
        value: Float[Tensor, "B H T K"],
        positions: RelativePositions | None = None,
        *,
        dropout: float = 0.0,
    ) -> Float[Tensor, "B T H K"]:
        """Return the values mixed for each query; zeros where an utterance has no valid frame.

        Args:
            query: Queries, not scaled.
            key: Keys.
            value: Values.
            positions: Relative positions, or None.
            dropout: Probability of dropping a weight, which must be 0.

        Raises:
            InputError: There is a gradient to record, or a dropout.
        """
        _check_inference((query, key, value, *(positions or ())), dropout)
        if positions is None:
            return self._run(query, key, value, None).transpose(1, 2)
        num_frames = query.shape[2]
        with_u = query + positions.bias_u[:, None]
        with_v = (query + positions.bias_v[:, None]) * query.shape[3] ** -0.5
        blocks = []
        for start in range(0, num_frames, QUERY_BLOCK_FRAMES):
            rows = slice(start, min(start + QUERY_BLOCK_FRAMES, num_frames))
            near = slice(num_frames - rows.stop, 2 * num_frames - 1 - start)
            scores = (with_v[:, :, rows] @ positions.projected[:, :, near]).contiguous()
            bias = at_keys(scores.flatten(0, 1)).unflatten(0, scores.shape[:2])
            blocks.append(self._run(with_u[:, :, rows], key, value, bias))
        return torch.cat(blocks, dim=2).transpose(1, 2)

    def _run(
        self,
        query: Float[Tensor, "B H Q K"],
        key: Float[Tensor, "B H T K"],
        value: Float[Tensor, "B H T K"],
        bias: Float[Tensor, "B H Q T"] | None,
    ) -> Float[Tensor, "B H Q K"]:
        score_mod = None
        if bias is not None:
            # A tensor is all that it holds: for a number torch would compile a kernel each.
            score_mod = lambda score, b, h, q, k: score + bias[b, h, q, k]  # noqa: E731 - checks of types, which tests put around each def, cannot be compiled
        block_mask = None
        if self._valid is not None:
            num_queries = query.shape[2]
            if num_queries not in self._masks:
                self._masks[num_queries] = mask_keys(self._valid, num_queries)
            block_mask = self._masks[num_queries]
        mixed: Tensor = _kernel(query.device.type)(
            query, key, value, score_mod=score_mod, block_mask=block_mask
        )
        return mixed


def mask_keys(valid: Bool[Tensor, "B T"], num_queries: int) -> BlockMask:
    """Return what `create_block_mask` makes of the valid keys, without a mask of all pairs.

    Args:
        valid: True at keys that all queries look at.
        num_queries: Number of queries.
    """
    num_keys = valid.shape[1]
    keys = F.pad(valid, (0, -num_keys % BLOCK_FRAMES)).unflatten(1, (-1, BLOCK_FRAMES))
    starts = torch.arange(0, num_queries, BLOCK_FRAMES, device=valid.device)
    is_whole = starts + BLOCK_FRAMES <= num_queries  # (M,); of the rest of them none is full
    full = keys.all(dim=2)[:, None] & is_whole[:, None]  # (B, M, N)
    partial = keys.any(dim=2)[:, None] & ~full
    return BlockMask.from_kv_blocks(
        *_count_and_order(partial),
        *_count_and_order(full),
        BLOCK_SIZE=BLOCK_FRAMES,
        mask_mod=lambda b, _h, _q, k: valid[b, k],
        seq_lengths=(num_queries, num_keys),
    )


def _count_and_order(
    blocks: Bool[Tensor, "B M N"],
) -> tuple[Int[Tensor, "B 1 M"], Int[Tensor, "B 1 M N"]]:
    """Return how many blocks are marked in each row, and the numbers of all, marked ones first."""
    counts = blocks.sum(dim=2, dtype=torch.int32)
    order = blocks.to(torch.int8).argsort(dim=2, descending=True, stable=True)
    return counts[:, None], order[:, None].to(torch.int32)


def _kernel(device_type: str) -> Callable[..., Any]:
    """Return torch's function, compiled unless it is on a CPU or a compiler is at work already."""
    if device_type == "cpu" or torch.compiler.is_compiling():
        return flex_attention
    return _compiled_kernel()


@cache
def _compiled_kernel() -> Callable[..., Any]:
    compiled: Callable[..., Any] = torch.compile(flex_attention, dynamic=True)
    return compiled


def _check_inference(tensors: tuple[Tensor, ...], dropout: float) -> None:
    """Refuse what FlexAttention does not have, or what is not known to be right.

    Of gradients: torch has none on CPUs, and on GPUs those of tensors that a score is made of
    got lost in some versions (pytorch issue 162228).
    """
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        raise InputError(
            "attn_implementation='flex_attention' is for inference: there are no gradients "
            "through it here. Run the model under torch.no_grad() or torch.inference_mode(), or "
            "train it after model.set_attn_implementation('sdpa')"
        )
    if dropout > 0.0:
        raise InputError(
            f"attn_implementation='flex_attention' has no dropout, and attention_dropout is "
            f"{dropout:g} in training. Call model.eval(), or "
            "model.set_attn_implementation('sdpa')"
        )
