"""Adapter of Wav2Vec2-BERT: strided convolutions with attention and a feed-forward module.

Source: Barrault et al. 2023, "Seamless", https://arxiv.org/abs/2312.05187, Section 3.2 (the
length adaptor, from "M-adaptor", https://arxiv.org/abs/2207.00952).

Shapes used in this file:
    B  utterances in the batch
    T  frames, padded to the longest utterance
    D  width of the encoder
    O  width of the output
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn.attention import SelfAttention
from wav2vec2_conformer.nn.dropout import Dropout
from wav2vec2_conformer.nn.feed_forward import FeedForward
from wav2vec2_conformer.nn.lengths import conv_output_lengths, padding_mask_from_lengths
from wav2vec2_conformer.nn.precision import convolve


class AttentiveAdapterLayer(nn.Module):
    """A transformer block whose two inputs, residual and attention's, are shortened first.

    Args:
        dim: Width O.
        hidden_dim: Width of the feed-forward module.
        num_heads: Heads of the attention.
        kernel_size: Kernel of both convolutions in frames.
        stride: Their stride in frames; half of it is padded on both sides.
        activation: Function of the feed-forward module.
        eps: Epsilon of the layer norms.
        dropout: Dropout of the feed-forward module's output.
        activation_dropout: Dropout inside it.
        attention_dropout: Dropout of the attention weights.
        attended_dropout: Dropout of the attention's output.
    """

    def __init__(
        self,
        dim: int,
        hidden_dim: int,
        num_heads: int,
        *,
        kernel_size: int,
        stride: int,
        activation: Callable[[Tensor], Tensor],
        eps: float = 1e-5,
        dropout: float = 0.0,
        activation_dropout: float = 0.0,
        attention_dropout: float = 0.0,
        attended_dropout: float = 0.0,
    ) -> None:
        super().__init__()

        def strided() -> nn.Conv1d:
            return nn.Conv1d(dim, 2 * dim, kernel_size, stride, padding=stride // 2)

        self.residual_layer_norm = nn.LayerNorm(dim, eps=eps)
        self.residual_conv = strided()
        self.self_attn_layer_norm = nn.LayerNorm(dim, eps=eps)
        self.self_attn_conv = strided()
        self.self_attn = SelfAttention(dim, num_heads, dropout=attention_dropout)
        self.self_attn_dropout = Dropout(attended_dropout)
        self.ffn_layer_norm = nn.LayerNorm(dim, eps=eps)
        self.ffn = FeedForward(
            dim,
            hidden_dim,
            activation=activation,
            activation_dropout=activation_dropout,
            dropout=dropout,
        )

    def forward(
        self,
        x: Float[Tensor, "B T O"],
        padding_mask: Bool[Tensor, "B T"] | None = None,
        key_padding_mask: Bool[Tensor, "B T2"] | None = None,
    ) -> Float[Tensor, "B T2 O"]:
        """Shorten frames.

        Args:
            x: Frames.
            padding_mask: True at frames that the convolutions must not look at.
            key_padding_mask: True at shortened frames that attention must not look at.
        """
        residual = _shorten(self.residual_conv, self.residual_layer_norm(x), padding_mask)
        x = _shorten(self.self_attn_conv, self.self_attn_layer_norm(x), padding_mask)
        attended, _ = self.self_attn(x, padding_mask=key_padding_mask)
        x = residual + self.self_attn_dropout(attended)
        return x + self.ffn(self.ffn_layer_norm(x))


def _shorten(
    conv: nn.Conv1d, x: Float[Tensor, "B T O"], padding_mask: Bool[Tensor, "B T"] | None
) -> Float[Tensor, "B T2 O"]:
    if padding_mask is not None:
        x = x.masked_fill(padding_mask[:, :, None], 0.0)
    return F.glu(convolve(conv, x.transpose(1, 2)), dim=1).transpose(1, 2)


class AttentiveAdapter(nn.Module):
    """An optional projection, then layers. No layer is ever dropped: lengths matter.

    Args:
        dim: Width D of the encoder.
        output_dim: Width O of the output.
        layers: The layers, of width O.
        kernel_size: Kernel of their convolutions in frames.
        stride: Their stride in frames.
        eps: Epsilon of the projection's layer norm.
    """

    def __init__(
        self,
        dim: int,
        output_dim: int,
        layers: list[AttentiveAdapterLayer],
        *,
        kernel_size: int,
        stride: int,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = stride // 2
        self.proj = nn.Linear(dim, output_dim) if dim != output_dim else None
        self.proj_layer_norm = nn.LayerNorm(output_dim, eps=eps) if dim != output_dim else None
        self.layers = nn.ModuleList(layers)

    def output_lengths(self, lengths: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        """Return the number of frames that come of `lengths` frames; none come of none."""
        for _ in self.layers:
            lengths = self._layer_lengths(lengths)
        return lengths

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        lengths: Int[Tensor, " B"] | None = None,
        *,
        exact_padding: bool = True,
    ) -> Float[Tensor, "B T2 O"]:
        """Shorten frames.

        Args:
            x: Frames.
            lengths: Valid frames of each utterance. None: all are valid.
            exact_padding: Whether the convolutions leave padding out, not attention alone.

        Raises:
            InputError: There are fewer frames than a convolution's kernel needs.
        """
        if self.proj is not None and self.proj_layer_norm is not None:
            x = self.proj_layer_norm(self.proj(x))
        for layer in self.layers:
            shortest = self.kernel_size - 2 * self.padding
            if not torch.compiler.is_compiling() and x.shape[1] < shortest:
                raise InputError(
                    f"the adapter's convolutions need {shortest} frames, got {x.shape[1]}. Pad "
                    "the waveform or leave the clip out"
                )
            padding = keys = None
            if lengths is not None:
                num_frames = int(self._layer_lengths(torch.tensor(x.shape[1])))
                if exact_padding:
                    padding = padding_mask_from_lengths(lengths, x.shape[1])
                lengths = self._layer_lengths(lengths)
                keys = padding_mask_from_lengths(lengths, num_frames)
            x = layer(x, padding, keys)
        return x

    def _layer_lengths(self, lengths: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        out = conv_output_lengths(
            lengths, kernel_size=self.kernel_size, stride=self.stride, padding=self.padding
        )
        return out * (lengths > 0)
