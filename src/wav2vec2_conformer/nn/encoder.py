"""The context network: a stack of Conformer blocks.

Papers: wav2vec 2.0, https://arxiv.org/abs/2006.11477, Section 2 (its place in the model);
Conformer, https://arxiv.org/abs/2005.08100 (the block); LayerDrop,
https://arxiv.org/abs/1909.11556.

Shapes used in this file:
    B  utterances in the batch
    T  frames, padded to the longest utterance
    D  width of the encoder
    H  heads
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from wav2vec2_conformer.nn.attention import Positions
from wav2vec2_conformer.nn.layer import ConformerLayer
from wav2vec2_conformer.nn.normalization import frozen_statistics
from wav2vec2_conformer.nn.positions import RotaryPositions, relative_position_table
from wav2vec2_conformer.nn.unused_convolution import UnusedPositionalConvolution


class EncoderOutput(NamedTuple):
    """What the encoder computed."""

    last_hidden_state: Float[Tensor, "B T D"]
    hidden_states: tuple[Tensor, ...] | None
    """The input of the first block, then each block's output; the last one after the norm."""
    attentions: tuple[Tensor, ...] | None
    """Attention weights of each block."""
    weighted_sum: Float[Tensor, "B T D"] | None
    """Sum of the hidden states with the given weights."""


class Encoder(nn.Module):
    """Conformer blocks between a dropout and a layer norm.

    Args:
        dim: Width D.
        hidden_dim: Width of the feed-forward modules.
        num_heads: Heads of the attention.
        num_layers: Number of blocks.
        kernel_size: Kernel of the depthwise convolution in frames. Odd.
        positions: `"relative"`, `"rotary"` or None.
        rotary_base: Base of the rotary angles.
        activation: Function of the feed-forward and convolution modules.
        eps: Epsilon of the last layer norm.
        dropout: Dropout of the input and of the feed-forward modules' output.
        activation_dropout: Dropout inside the feed-forward modules.
        attention_dropout: Dropout of attention weights and output.
        conv_dropout: Dropout of the convolution modules' output.
        layer_drop: Probability of skipping a block in training.
        unused_conv_kernel_size: Kernel of the convolution that checkpoints carry unused.
        unused_conv_groups: Its groups.
    """

    gradient_checkpointing = False

    def __init__(
        self,
        dim: int,
        hidden_dim: int,
        num_heads: int,
        num_layers: int,
        *,
        kernel_size: int,
        positions: Positions,
        activation: Callable[[Tensor], Tensor],
        rotary_base: float = 10_000.0,
        eps: float = 1e-5,
        dropout: float = 0.0,
        activation_dropout: float = 0.0,
        attention_dropout: float = 0.0,
        conv_dropout: float = 0.0,
        layer_drop: float = 0.0,
        unused_conv_kernel_size: int = 128,
        unused_conv_groups: int = 16,
    ) -> None:
        super().__init__()
        self.positions = positions
        self.layer_drop = layer_drop
        if positions == "rotary":
            self.embed_positions = RotaryPositions(dim // num_heads, rotary_base)
        self.pos_conv_embed = UnusedPositionalConvolution(
            dim, unused_conv_kernel_size, unused_conv_groups
        )
        self.layer_norm = nn.LayerNorm(dim, eps=eps)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            ConformerLayer(
                dim,
                hidden_dim,
                num_heads,
                kernel_size=kernel_size,
                positions=positions,
                activation=activation,
                dropout=dropout,
                activation_dropout=activation_dropout,
                attention_dropout=attention_dropout,
                conv_dropout=conv_dropout,
            )
            for _ in range(num_layers)
        )

    def encode(
        self,
        x: Float[Tensor, "B T D"],
        padding_mask: Bool[Tensor, "B T"] | None = None,
        *,
        exact_padding: bool = True,
        keep_hidden_states: bool = False,
        keep_attentions: bool = False,
        eager_attention: bool = False,
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
            layer_weights: One weight per hidden state, to sum them up on the way.
        """
        if padding_mask is not None:
            x = x.masked_fill(padding_mask[:, :, None], 0.0)
        x = self.dropout(x)
        relative, rotary = self.positions == "relative", self.positions == "rotary"
        table = relative_position_table(x.shape[1], x.shape[2], x.device) if relative else None
        rotation = self.embed_positions(x.shape[1]) if rotary else None

        states = [x] if keep_hidden_states else []
        attentions = []
        total = None if layer_weights is None else layer_weights[0] * x
        conv_mask = padding_mask if exact_padding else None
        for index, layer in enumerate(self.layers, start=1):
            inputs = (x, table, rotation, padding_mask, conv_mask)
            eager = eager_attention or keep_attentions
            if self.gradient_checkpointing and self.training:
                out, weights = checkpoint(
                    layer,
                    *inputs,
                    eager,
                    use_reentrant=False,
                    context_fn=lambda: (nullcontext(), frozen_statistics()),
                )
            else:
                out, weights = layer(*inputs, eager)
            x = self._drop_layer(x, out)
            if index == len(self.layers):
                x = self.layer_norm(x)
            if keep_hidden_states:
                states.append(x)
            if keep_attentions:
                attentions.append(weights)
            if total is not None and layer_weights is not None:
                total = total + layer_weights[index] * x
        if not self.layers:
            x = self.layer_norm(x)
        return EncoderOutput(
            x,
            tuple(states) if keep_hidden_states else None,
            tuple(attentions) if keep_attentions else None,
            total,
        )

    def _drop_layer(self, x: Tensor, out: Tensor) -> Tensor:
        """Now and then take a block's input for its output.

        The block is computed all the same, so that every parameter keeps its place in the
        graph: distributed training needs that, and the draw needs no synchronisation.
        """
        if not self.training or self.layer_drop == 0.0:
            return out
        keep = torch.rand((), device=x.device) >= self.layer_drop
        return torch.where(keep, out, x)
