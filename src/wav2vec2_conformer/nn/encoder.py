"""The context network: a stack of blocks.

Papers: wav2vec 2.0, https://arxiv.org/abs/2006.11477, Section 2 (its place in the model);
Conformer, https://arxiv.org/abs/2005.08100 (the block); LayerDrop,
https://arxiv.org/abs/1909.11556.

Shapes used in this file:
    B  utterances in the batch
    T  frames, padded to the longest utterance
    D  width of the encoder
    H  heads
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from wav2vec2_conformer.nn.attention import Positions
from wav2vec2_conformer.nn.dropout import Dropout
from wav2vec2_conformer.nn.flex_attention import FlexAttention
from wav2vec2_conformer.nn.normalization import frozen_statistics
from wav2vec2_conformer.nn.packing import pack, packed_lengths, unpack
from wav2vec2_conformer.nn.positional_convolution import PositionalConvolution
from wav2vec2_conformer.nn.positions import RotaryPositions, relative_position_table
from wav2vec2_conformer.nn.unused_convolution import UnusedPositionalConvolution


class EncoderOutput(NamedTuple):
    """What the encoder computed."""

    last_hidden_state: Float[Tensor, "B T D"]
    """With `exact_padding`, zero at padded frames, as is the weighted sum."""
    hidden_states: tuple[Tensor, ...] | None
    """The input of the first block, then each block's output; the last one after the norm."""
    attentions: tuple[Tensor, ...] | None
    """Attention weights of each block."""
    weighted_sum: Float[Tensor, "B T D"] | None
    """Sum of the hidden states with the given weights."""


class Encoder(nn.Module):
    """Blocks after a dropout, with a layer norm after them, before them or nowhere.

    Args:
        dim: Width D.
        layers: The blocks, called as `ConformerLayer` is.
        positions: `"relative"` (the blocks get a table of positions), `"rotary"` (they get
            angles), or anything else: positions are the blocks' own matter, or the frames'.
        norm: Whether the layer norm stands `"after"` the blocks or `"before"` them; None for
            no layer norm.
        rotary: What makes the angles of `"rotary"`; None with all others.
        positional_convolution: What every Wav2Vec2 adds to its frames and what checkpoints of
            Conformers carry unused; None where checkpoints do not have it.
        eps: Epsilon of this layer norm.
        dropout: Dropout of the input.
        layer_drop: Probability of skipping a block in training.
    """

    gradient_checkpointing = False

    def __init__(
        self,
        dim: int,
        layers: Iterable[nn.Module],
        *,
        positions: Positions | Literal["convolutional"],
        norm: Literal["after", "before"] | None = "after",
        rotary: RotaryPositions | None = None,
        positional_convolution: UnusedPositionalConvolution | None = None,
        eps: float = 1e-5,
        dropout: float = 0.0,
        layer_drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.positions = positions
        self.norm = norm
        self.layer_drop = layer_drop
        self.embed_positions = rotary
        self.pos_conv_embed = positional_convolution
        self.layer_norm = None if norm is None else nn.LayerNorm(dim, eps=eps)
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(layers)

    def encode(
        self,
        x: Float[Tensor, "B T D"],
        padding_mask: Bool[Tensor, "B T"] | None = None,
        *,
        exact_padding: bool = True,
        keep_hidden_states: bool = False,
        keep_attentions: bool = False,
        eager_attention: bool = False,
        flex_attention: bool = False,
        layer_weights: Float[Tensor, " L"] | None = None,
    ) -> EncoderOutput:
        """Put frames in context.

        Args:
            x: Projected features.
            padding_mask: True where a frame is padding. None means that no frame is.
            exact_padding: Whether convolutions leave padding out too, so that it has no effect.
            keep_hidden_states: Whether to return all hidden states.
            keep_attentions: Whether to return all attention weights.
            eager_attention: Whether to compute attention as written in the papers.
            flex_attention: Whether torch's FlexAttention computes it, where no attention weights
                are wanted (see `nn/flex_attention.py`).
            layer_weights: One weight per hidden state, to sum them up on the way.
        """
        if isinstance(self.pos_conv_embed, PositionalConvolution):
            x = _zero_padding(x, padding_mask)
            x = x + self.pos_conv_embed(x)
        show_blocks = keep_hidden_states or keep_attentions or eager_attention or flex_attention
        if padding_mask is not None and exact_padding and not (show_blocks or self.training):
            lengths = packed_lengths(padding_mask)
            if lengths is not None:
                out = self._run_blocks(pack(x, padding_mask), None, None, lengths, layer_weights)
                total = out.weighted_sum
                return out._replace(
                    last_hidden_state=unpack(out.last_hidden_state, padding_mask),
                    weighted_sum=None if total is None else unpack(total, padding_mask),
                )
        return self._run_blocks(
            _zero_padding(x, padding_mask),
            padding_mask,
            padding_mask if exact_padding else None,
            None,
            layer_weights,
            keep_hidden_states=keep_hidden_states,
            keep_attentions=keep_attentions,
            eager_attention=eager_attention,
            flex_attention=flex_attention,
        )

    def _run_blocks(
        self,
        x: Float[Tensor, "B T D"],
        padding_mask: Bool[Tensor, "B T"] | None,
        conv_mask: Bool[Tensor, "B T"] | None,
        lengths: Sequence[int] | None,
        layer_weights: Float[Tensor, " L"] | None,
        *,
        keep_hidden_states: bool = False,
        keep_attentions: bool = False,
        eager_attention: bool = False,
        flex_attention: bool = False,
    ) -> EncoderOutput:
        """Run all blocks on a padded batch, or on packed frames of the given lengths."""
        if self.norm == "before" and self.layer_norm is not None:
            x = self.layer_norm(x)
        x = self.dropout(x)
        table, rotation = self._place(x, lengths)
        states = [x] if keep_hidden_states else []
        attentions = []
        total = None if layer_weights is None else layer_weights[0] * x
        eager = eager_attention or keep_attentions
        flex = FlexAttention(padding_mask) if flex_attention and not eager else None
        for index, layer in enumerate(self.layers, start=1):
            inputs = (x, table, rotation, padding_mask, conv_mask, eager, lengths, flex)
            out, weights = self._run_block(layer, inputs)
            x = self._drop_layer(x, out)
            if index == len(self.layers):
                x = self._finish(x, conv_mask)
            if keep_hidden_states:
                states.append(x)
            if weights is not None and keep_attentions:
                attentions.append(weights)
            if total is not None and layer_weights is not None:
                total = total + layer_weights[index] * x
        if not self.layers:
            x = self._finish(x, conv_mask)
        return EncoderOutput(
            x,
            tuple(states) if keep_hidden_states else None,
            tuple(attentions) if keep_attentions else None,
            None if total is None else _zero_padding(total, conv_mask),
        )

    def _place(
        self, x: Float[Tensor, "B T D"], lengths: Sequence[int] | None
    ) -> tuple[Tensor | None, tuple[Tensor, Tensor] | None]:
        """Return the table of relative positions or the rotary angles; None for the other."""
        num_frames = x.shape[1] if lengths is None else max(lengths)
        if self.positions == "relative":
            return relative_position_table(num_frames, x.shape[2], x.device), None
        if self.embed_positions is not None:
            cos, sin = self.embed_positions(num_frames)
            if lengths is not None:
                cos = torch.cat([cos[:length] for length in lengths])
                sin = torch.cat([sin[:length] for length in lengths])
            return None, (cos, sin)
        return None, None

    def _run_block(
        self, layer: nn.Module, inputs: tuple[object, ...]
    ) -> tuple[Tensor, Tensor | None]:
        if not (self.gradient_checkpointing and self.training):
            return layer(*inputs)
        return checkpoint(
            layer,
            *inputs,
            use_reentrant=False,
            context_fn=lambda: (nullcontext(), frozen_statistics()),
        )

    def _finish(
        self, x: Float[Tensor, "B T D"], conv_mask: Bool[Tensor, "B T"] | None
    ) -> Float[Tensor, "B T D"]:
        if self.norm == "after" and self.layer_norm is not None:
            x = self.layer_norm(x)
        return _zero_padding(x, conv_mask)

    def _drop_layer(self, x: Tensor, out: Tensor) -> Tensor:
        """Now and then take a block's input for its output.

        The block is computed all the same, so that every parameter keeps its place in the
        graph: distributed training needs that, and the draw needs no synchronisation.
        """
        if not self.training or self.layer_drop == 0.0:
            return out
        keep = torch.rand((), device=x.device) >= self.layer_drop
        return torch.where(keep, out, x)


def _zero_padding(
    x: Float[Tensor, "B T D"], padding_mask: Bool[Tensor, "B T"] | None
) -> Float[Tensor, "B T D"]:
    return x if padding_mask is None else x.masked_fill(padding_mask[:, :, None], 0.0)
