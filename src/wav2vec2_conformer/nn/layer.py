"""Conformer block: half a feed-forward, attention, convolution, half a feed-forward.

Paper: Gulati et al. 2020, "Conformer", https://arxiv.org/abs/2005.08100, Section 2.4.

Shapes used in this file:
    B  utterances in the batch
    T  frames, padded to the longest utterance
    D  width of the encoder
    H  heads
    K  width of a head
    P  relative positions, 2T - 1
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from wav2vec2_conformer.nn.adapter_language import LanguageAdapter
from wav2vec2_conformer.nn.attention import Positions, SelfAttention
from wav2vec2_conformer.nn.convolution import ConvolutionModule
from wav2vec2_conformer.nn.dropout import Dropout
from wav2vec2_conformer.nn.feed_forward import FeedForward
from wav2vec2_conformer.nn.flex_attention import FlexAttention
from wav2vec2_conformer.nn.in_place import add_onto


class ConformerLayer(nn.Module):
    """One Conformer block, each module with a layer norm before it and one at the end.

    Args:
        dim: Width D.
        hidden_dim: Width of the feed-forward modules.
        num_heads: Heads of the attention.
        kernel_size: Kernel of the depthwise convolution in frames. Odd.
        positions: `"relative"`, `"relative_key"`, `"rotary"` or None.
        activation: Function of the feed-forward and convolution modules.
        dropout: Dropout of the feed-forward modules' output.
        activation_dropout: Dropout inside the feed-forward modules.
        attention_dropout: Dropout of the attention weights and of the attention's output.
        conv_dropout: Dropout of the convolution module's output.
        causal_convolution: See `ConvolutionModule`.
        eps: Epsilon of the layer norms.
        max_left_frames: See `SelfAttention`.
        max_right_frames: See `SelfAttention`.
        adapter_dim: Width inside the language adapter that follows the last norm; None for none.
    """

    def __init__(
        self,
        dim: int,
        hidden_dim: int,
        num_heads: int,
        *,
        kernel_size: int,
        positions: Positions,
        activation: Callable[[Tensor], Tensor],
        dropout: float = 0.0,
        activation_dropout: float = 0.0,
        attention_dropout: float = 0.0,
        conv_dropout: float = 0.0,
        causal_convolution: bool = False,
        eps: float = 1e-5,
        max_left_frames: int = 64,
        max_right_frames: int = 8,
        adapter_dim: int | None = None,
    ) -> None:
        super().__init__()

        def feed_forward() -> FeedForward:
            return FeedForward(
                dim,
                hidden_dim,
                activation=activation,
                activation_dropout=activation_dropout,
                dropout=dropout,
            )

        self.ffn1_layer_norm = nn.LayerNorm(dim, eps=eps)
        self.ffn1 = feed_forward()
        self.self_attn_layer_norm = nn.LayerNorm(dim, eps=eps)
        self.self_attn = SelfAttention(
            dim,
            num_heads,
            positions=positions,
            dropout=attention_dropout,
            max_left_frames=max_left_frames,
            max_right_frames=max_right_frames,
        )
        self.self_attn_dropout = Dropout(attention_dropout)
        self.conv_module = ConvolutionModule(
            dim,
            kernel_size=kernel_size,
            activation=activation,
            dropout=conv_dropout,
            causal=causal_convolution,
            eps=eps,
        )
        self.ffn2_layer_norm = nn.LayerNorm(dim, eps=eps)
        self.ffn2 = feed_forward()
        self.final_layer_norm = nn.LayerNorm(dim, eps=eps)
        self.adapter_layer = None if adapter_dim is None else LanguageAdapter(dim, adapter_dim)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        position_table: Float[Tensor, "P D"] | None = None,
        rotation: tuple[Float[Tensor, "T K"], Float[Tensor, "T K"]] | None = None,
        key_padding_mask: Bool[Tensor, "B T"] | None = None,
        conv_padding_mask: Bool[Tensor, "B T"] | None = None,
        return_weights: bool = False,
        packed_lengths: Sequence[int] | None = None,
        flex: FlexAttention | None = None,
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B H T T"] | None]:
        """Transform frames.

        Args:
            x: Frames.
            position_table: Sinusoids of relative positions, or None.
            rotation: Cosines and sines of rotary positions, or None.
            key_padding_mask: True at frames that attention must not look at.
            conv_padding_mask: True at frames that the convolution must not look at.
            return_weights: Whether to return the attention weights.
            packed_lengths: The frames are packed (see `nn/packing.py`): those of one utterance
                after the other, in one row. Then there are no masks, positions are those of the
                longest utterance, and no attention weights are returned.
            flex: What attends, if not the fastest here.

        Returns:
            Frames of the same shape, and the attention weights or None.
        """
        x = torch.add(x, self.ffn1(self.ffn1_layer_norm(x)), alpha=0.5)
        attended, weights = self.self_attn(
            self.self_attn_layer_norm(x),
            position_table,
            rotation,
            key_padding_mask,
            return_weights=return_weights,
            packed_lengths=packed_lengths,
            flex=flex,
        )
        x = add_onto(x, self.self_attn_dropout(attended))  # no longer the caller's tensor
        if self.conv_module.causal:
            # Valid frames never see the padding behind them; released models blank it anyway.
            conv_padding_mask = key_padding_mask
        x = add_onto(x, self.conv_module(x, conv_padding_mask, packed_lengths))
        x = add_onto(x, self.ffn2(self.ffn2_layer_norm(x)), alpha=0.5)
        x = self.final_layer_norm(x)
        if self.adapter_layer is not None:
            x = add_onto(x, self.adapter_layer(x))
        return x, weights
