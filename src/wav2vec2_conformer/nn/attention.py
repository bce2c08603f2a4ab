"""Self-attention with relative, rotary, clipped or no positions.

Relative positions are those of Transformer-XL (https://arxiv.org/abs/1901.02860, Section 3.3):
    score[i, j] = ((q_i + u) k_j + (q_i + v) p_{i-j}) / sqrt(K)
where p is a linear map of the sinusoids of i - j. Rotary positions rotate the *input* of the
query and key projections, not queries and keys themselves: so were the released models trained.
Clipped positions ("relative_key", Shaw et al. 2018, https://arxiv.org/abs/1803.02155, Section 3.2)
are relative ones with a learned vector for each distance in place of p, the same for all distances
beyond a limit on either side, and without u and v.

Shapes used in this file:
    B  utterances in the batch
    T  frames, padded to the longest utterance
    Q  frames of one block of queries
    D  width of the encoder
    H  heads
    K  width of a head
    P  relative positions, 2T - 1
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from wav2vec2_conformer.nn.dropout import is_lean
from wav2vec2_conformer.nn.flex_attention import FlexAttention
from wav2vec2_conformer.nn.head_scores import RelativePositions
from wav2vec2_conformer.nn.in_place import is_captured, may_write_over
from wav2vec2_conformer.nn.positions import rotate
from wav2vec2_conformer.nn.relative_attention import attend_in_cache
from wav2vec2_conformer.nn.trained_attention import attend_with_gradient

Positions = Literal["relative", "relative_key", "rotary"] | None

# Queries are taken in blocks: the relative term of a block needs T + Q - 1 positions instead of
# 2T - 1, and Q x T scores exist at a time instead of T x T.
QUERY_BLOCK_FRAMES = 256
# Above this length projected positions are not kept: they would spare 5 % of a clip's time, and
# 24 layers of 1024 hold 150 MB of them already.
MAX_CACHED_FRAMES = 768
# Up to this length torch's own attention takes 2 to 4 times as long as plain products in bfloat16
# with gradients on a CPU (torch 2.13); beyond it, its smaller memory counts for more.
MAX_PLAIN_FRAMES = 512


class _ProjectedPositions(NamedTuple):
    """Result of `linear_pos` over a position table, and what it was computed from."""

    weight: Tensor  # keeps the storage alive, so that its address stays unique
    version: int
    num_frames: int
    projected: Tensor


class SelfAttention(nn.Module):
    """Multi-head self-attention.

    Args:
        dim: Width D.
        num_heads: Heads H; divides D.
        positions: `"relative"`, `"relative_key"`, `"rotary"` or None.
        dropout: Dropout of the attention weights, in training only.
        max_left_frames: For `"relative_key"`: keys farther back share one position.
        max_right_frames: The same for keys ahead.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        positions: Positions = None,
        dropout: float = 0.0,
        max_left_frames: int = 64,
        max_right_frames: int = 8,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = dim // num_heads
        self.positions = positions
        self.dropout = dropout
        self.max_left_frames = max_left_frames
        self.max_right_frames = max_right_frames
        self._add_projections(dim)
        if positions == "relative":
            self.linear_pos = nn.Linear(dim, dim, bias=False)
            self.pos_bias_u = nn.Parameter(torch.zeros(num_heads, self.head_dim))
            self.pos_bias_v = nn.Parameter(torch.zeros(num_heads, self.head_dim))
        elif positions == "relative_key":
            num_positions = max_left_frames + 1 + max_right_frames
            self.distance_embedding = nn.Embedding(num_positions, self.head_dim)
        self._cached: _ProjectedPositions | None = None

    def _add_projections(self, dim: int) -> None:
        self.linear_q = nn.Linear(dim, dim)
        self.linear_k = nn.Linear(dim, dim)
        self.linear_v = nn.Linear(dim, dim)
        self.linear_out = nn.Linear(dim, dim)

    def _projections(self) -> tuple[nn.Module, nn.Module, nn.Module, nn.Module]:
        """Return the maps to queries, keys and values, and that of the mixed values."""
        return self.linear_q, self.linear_k, self.linear_v, self.linear_out

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        position_table: Float[Tensor, "P D"] | None = None,
        rotation: tuple[Float[Tensor, "T K"], Float[Tensor, "T K"]] | None = None,
        padding_mask: Bool[Tensor, "B T"] | None = None,
        *,
        return_weights: bool = False,
        packed_lengths: Sequence[int] | None = None,
        flex: FlexAttention | None = None,
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B H T T"] | None]:
        """Let each frame look at all valid frames.

        Args:
            x: Frames, after the layer norm.
            position_table: Sinusoids of relative positions; for `"relative"` only.
            rotation: Cosines and sines; for `"rotary"` only.
            padding_mask: True where a frame is padding. None means that no frame is.
            return_weights: Whether to compute and return the attention weights, which costs
                T x T memory per head.
            packed_lengths: Frames of each utterance, if they stand in one row without padding;
                `position_table` is that of the longest, `rotation` goes with the row.
            flex: Attends in place of what is fastest here; knows of the padding.

        Returns:
            Frames of the same shape (at padded frames without meaning), and the weights or None.
        """
        queried = x if rotation is None else rotate(x, *rotation)
        to_query, to_key, to_value, to_output = self._projections()
        query = self._split_heads(to_query(queried))  # (B, H, T, K)
        key = self._split_heads(to_key(queried))
        value = self._split_heads(to_value(x))
        projected = None
        if position_table is not None:
            projected = self._project(position_table)  # (H, K, P)
        elif self.positions == "relative_key":
            longest = x.shape[1] if packed_lengths is None else max(packed_lengths)
            projected = self._embed_distances(longest)
        if return_weights:
            mixed, weights = self._attend_eagerly(query, key, value, projected, padding_mask)
            return to_output(mixed.transpose(1, 2).flatten(2)), weights
        if packed_lengths is None:
            mixed = self._mix(query, key, value, projected, padding_mask, flex)
        else:
            pieces, start = [], 0
            for length in packed_lengths:
                rows = slice(start, start + length)
                own = None if projected is None else _shorten(projected, length)
                pieces.append(
                    self._mix(query[:, :, rows], key[:, :, rows], value[:, :, rows], own, None)
                )
                start += length
            mixed = torch.cat(pieces, dim=1)
        return to_output(mixed.flatten(2)), None

    def _mix(
        self,
        query: Float[Tensor, "B H T K"],
        key: Float[Tensor, "B H T K"],
        value: Float[Tensor, "B H T K"],
        projected: Float[Tensor, "H K P"] | None,
        padding_mask: Bool[Tensor, "B T"] | None,
        flex: FlexAttention | None = None,
    ) -> Float[Tensor, "B T H K"]:
        """Mix the values by what is asked for, or by what is fastest here."""
        dropout = self.dropout if self.training else 0.0
        biases = self._position_biases
        positions = None if projected is None else RelativePositions(projected, *biases())
        if flex is not None:
            return flex.attend(query, key, value, positions, dropout=dropout)
        if _is_recorded_on_cpu(query) and (dropout == 0.0 or is_lean(query, dropout)):
            return attend_with_gradient(query, key, value, positions, padding_mask, dropout=dropout)
        if positions is None:
            mask = None if padding_mask is None else ~padding_mask[:, None, None, :]
            return self._attend(query, key, value, mask).transpose(1, 2)
        # In 16 bits torch's own attention keeps its sums in 32.
        on_cpu = query.device.type == "cpu" and query.dtype == torch.float32
        if on_cpu and may_write_over() and dropout == 0.0:
            return attend_in_cache(query, key, value, positions, padding_mask)
        return self._attend_in_blocks(query, key, value, positions, padding_mask).transpose(1, 2)

    def _split_heads(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B H T K"]:
        return x.unflatten(2, (self.num_heads, self.head_dim)).transpose(1, 2)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        if (
            query.device.type == "cpu"
            and query.dtype == torch.bfloat16
            and query.requires_grad
            and query.shape[2] <= MAX_PLAIN_FRAMES
            and not torch.compiler.is_compiling()
        ):
            return _attend_plainly(query, key, value, mask, dropout)
        if query.device.type == "cpu" and may_write_over():
            # Frames whose distance is a power of two share few places in a cache.
            key, value = key.contiguous(), value.contiguous()
        return F.scaled_dot_product_attention(query, key, value, mask, dropout_p=dropout)

    def _attend_in_blocks(
        self,
        query: Float[Tensor, "B H T K"],
        key: Float[Tensor, "B H T K"],
        value: Float[Tensor, "B H T K"],
        positions: RelativePositions,
        padding_mask: Bool[Tensor, "B T"] | None,
    ) -> Float[Tensor, "B H T K"]:
        num_frames = query.shape[2]
        projected, bias_u, bias_v = positions
        with_u = query + bias_u[:, None]
        with_v = (query + bias_v[:, None]) * self.head_dim**-0.5
        if torch.compiler.is_compiling():
            # One block, as the number of frames is symbolic.
            bias = self._relative_scores(with_v, projected, 0, num_frames)
            return self._attend(with_u, key, value, _hide_padding(bias, padding_mask))
        blocks = []
        for start in range(0, num_frames, QUERY_BLOCK_FRAMES):
            rows = slice(start, start + QUERY_BLOCK_FRAMES)
            bias = self._relative_scores(with_v[:, :, rows], projected, start, num_frames)
            bias = _hide_padding(bias, padding_mask)
            blocks.append(self._attend(with_u[:, :, rows], key, value, bias))
        return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=2)

    @staticmethod
    def _relative_scores(
        query: Float[Tensor, "B H Q K"],
        projected: Float[Tensor, "H K P"],
        start: int,
        num_frames: int,
    ) -> Float[Tensor, "B H Q T"]:
        """Return (q_i + v) p_{i-j} for a block of queries that begins at frame `start`.

        The product is taken with the T + Q - 1 positions that the block needs. Row r then holds
        the score of key j at column Q - 1 - r + j, so the result is a view of it with a row
        stride that is one too short: nothing is copied.
        """
        batch, heads, rows, _ = query.shape
        first = num_frames - start - rows
        width = num_frames + rows - 1
        scores = query @ projected[None, :, :, first : first + width]
        if torch.compiler.is_compiling():
            # Exporters know no strided views; a compiler fuses the gather with what follows.
            columns = torch.arange(num_frames, device=query.device)
            columns = rows - 1 - columns[:rows, None] + columns
            return scores.gather(3, columns.expand(batch, heads, rows, num_frames))
        return scores.contiguous().as_strided(  # the view counts on this layout
            (batch, heads, rows, num_frames),
            (heads * rows * width, rows * width, width - 1, 1),
            rows - 1,
        )

    def _attend_eagerly(
        self,
        query: Float[Tensor, "B H T K"],
        key: Float[Tensor, "B H T K"],
        value: Float[Tensor, "B H T K"],
        projected: Float[Tensor, "H K P"] | None,
        padding_mask: Bool[Tensor, "B T"] | None,
    ) -> tuple[Float[Tensor, "B H T K"], Float[Tensor, "B H T T"]]:
        """The same, written as in the papers, with the weights as a result."""
        scale = 1.0 / math.sqrt(self.head_dim)
        if projected is None:
            scores = (query @ key.transpose(2, 3)) * scale
        else:
            bias_u, bias_v = self._position_biases()
            content = (query + bias_u[:, None]) @ key.transpose(2, 3)
            with_v = query + bias_v[:, None]
            position = self._relative_scores(with_v, projected, 0, query.shape[2])
            scores = (content + position) * scale
        scores = _hide_padding(scores, padding_mask)
        weights = F.dropout(scores.softmax(dim=3), self.dropout, self.training)
        return weights @ value, weights

    def _position_biases(self) -> tuple[Float[Tensor, "H K"], Float[Tensor, "H K"]]:
        """Return what is added to queries that meet keys and positions: u and v."""
        if self.positions == "relative":
            return self.pos_bias_u, self.pos_bias_v
        none = self.distance_embedding.weight.new_zeros(self.num_heads, self.head_dim)
        return none, none

    def _embed_distances(self, num_frames: int) -> Float[Tensor, "H K P"]:
        """Return the vectors of all distances between frames, the same for each head."""
        embedding = self.distance_embedding
        ahead = torch.arange(1 - num_frames, num_frames, device=embedding.weight.device)
        ahead = ahead.clamp(-self.max_left_frames, self.max_right_frames)
        vectors = embedding(ahead + self.max_left_frames).T  # (K, P)
        return vectors[None].expand(self.num_heads, -1, -1)

    def _project(self, position_table: Float[Tensor, "P D"]) -> Float[Tensor, "H K P"]:
        """Map relative positions into the heads; in evaluation once per length.

        A kept projection serves all shorter lengths as a slice. It is used again only for the
        very same weights: same storage, same version, so casts, moves, training steps and
        loading make it unused. Writing to `weight.data` in evaluation mode goes unseen by torch;
        call `train()` or `eval()` after that.
        """
        num_frames = (position_table.shape[0] + 1) // 2
        if (
            type(self.linear_pos) is not nn.Linear  # an adapter is around it, or it is in int8
            or self.training
            or torch.is_grad_enabled()
            or torch.compiler.is_compiling()
            or torch.is_autocast_enabled(position_table.device.type)
            or num_frames > MAX_CACHED_FRAMES
            or self.linear_pos.weight.is_inference()  # torch does not count what is written to it
            or is_captured(position_table)  # memory of a CUDA graph, which others write over
        ):
            return self._project_table(position_table)
        weight = self.linear_pos.weight
        cached = self._cached
        if not (
            cached is not None
            and cached.num_frames >= num_frames
            and cached.weight.data_ptr() == weight.data_ptr()
            and cached.weight.device == weight.device
            and cached.version == weight._version  # noqa: SLF001 - torch's only way
        ):
            # A normal tensor even under inference_mode, which would taint later training.
            with torch.inference_mode(mode=False), torch.no_grad():
                projected = self._project_table(position_table.clone())
            version = weight._version  # noqa: SLF001
            cached = _ProjectedPositions(weight.detach(), version, num_frames, projected)
            self._cached = cached
        return _shorten(cached.projected, num_frames)

    def _project_table(self, position_table: Float[Tensor, "P D"]) -> Float[Tensor, "H K P"]:
        heads = (self.num_heads, self.head_dim)
        table = position_table.to(self.pos_bias_u.dtype)
        if may_write_over() and type(self.linear_pos) is nn.Linear:  # no adapter around it
            # The same product transposed: all positions of a head then stand side by side.
            return F.linear(self.linear_pos.weight, table).unflatten(0, heads)
        return self.linear_pos(table).T.unflatten(0, heads)

    def train(self, mode: bool = True) -> "SelfAttention":
        """Switch mode and forget projected positions."""
        self._cached = None
        return super().train(mode)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the projected positions out of copies and pickles."""
        return {**super().__getstate__(), "_cached": None}


def _is_recorded_on_cpu(query: Float[Tensor, "B H T K"]) -> bool:
    """Return whether autograd records this pass on the CPU, and no compiler or exporter does."""
    return (
        query.device.type == "cpu"
        and query.dtype in (torch.float32, torch.float64)  # torch's own is faster in 16 bits
        and torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined]  # torch forgot to export it
    )


def _attend_plainly(
    query: Float[Tensor, "B H Q K"],
    key: Float[Tensor, "B H T K"],
    value: Float[Tensor, "B H T K"],
    mask: Tensor | None,
    dropout: float,
) -> Float[Tensor, "B H Q K"]:
    """Do what torch's attention does, as two products and a softmax (its sums are in 32 bits).

    `mask` is added to the scores or, if it is of truth values, says which keys are seen.
    """
    scores = (query * query.shape[3] ** -0.5) @ key.transpose(2, 3)
    if mask is not None and mask.dtype == torch.bool:
        # finfo.min, not -inf: a row without any valid key must not become NaN
        lowest = torch.finfo(scores.dtype).min
        mask = torch.zeros_like(mask, dtype=scores.dtype).masked_fill_(~mask, lowest)
    if mask is not None:
        scores = scores + mask
    return F.dropout(scores.softmax(dim=3), dropout) @ value


def _shorten(projected: Float[Tensor, "H K P"], num_frames: int) -> Float[Tensor, "H K P2"]:
    """Return the positions that occur between `num_frames` frames."""
    surplus = (projected.shape[2] + 1) // 2 - num_frames
    return projected[:, :, surplus : surplus + 2 * num_frames - 1]


def _hide_padding(
    scores: Float[Tensor, "B H Q T"], padding_mask: Bool[Tensor, "B T"] | None
) -> Float[Tensor, "B H Q T"]:
    """Lower the scores of padded keys, in place where no gradient needs the scores."""
    if padding_mask is None:
        return scores
    # finfo.min, not -inf: a row without any valid key must not become NaN
    lowest = torch.finfo(scores.dtype).min
    if scores.requires_grad:
        return scores.masked_fill(padding_mask[:, None, None, :], lowest)
    return scores.masked_fill_(padding_mask[:, None, None, :], lowest)
