"""Plain transformer block: attention, feed-forward.

Papers: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, Section 3.1 (norms after the
modules, as in the base size of Wav2Vec2); Xiong et al. 2020, https://arxiv.org/abs/2002.04745
(norms before them, as in its large size and in XLS-R and MMS).

Shapes used in this file:
    B  utterances in the batch
    T  frames, padded to the longest utterance
    D  width of the encoder
    H  heads
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from wav2vec2_conformer.nn.adapter_language import LanguageAdapter
from wav2vec2_conformer.nn.dropout import Dropout
from wav2vec2_conformer.nn.feed_forward import FeedForward
from wav2vec2_conformer.nn.flex_attention import FlexAttention
from wav2vec2_conformer.nn.in_place import add_onto
from wav2vec2_conformer.nn.plain_attention import PlainAttention


class TransformerLayer(nn.Module):
    """One block of Wav2Vec2.

    Args:
        dim: Width D.
        hidden_dim: Width of the feed-forward module.
        num_heads: Heads of the attention.
        norm_first: Whether each layer norm stands before its module, or after its residual.
        activation: Function of the feed-forward module.
        eps: Epsilon of the layer norms.
        dropout: Dropout of the attention's and the feed-forward module's output.
        activation_dropout: Dropout inside the feed-forward module.
        attention_dropout: Dropout of the attention weights.
        adapter_dim: Width inside the language adapter at the end; None for none.
    """

    def __init__(
        self,
        dim: int,
        hidden_dim: int,
        num_heads: int,
        *,
        norm_first: bool,
        activation: Callable[[Tensor], Tensor],
        eps: float = 1e-5,
        dropout: float = 0.0,
        activation_dropout: float = 0.0,
        attention_dropout: float = 0.0,
        adapter_dim: int | None = None,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.attention = PlainAttention(dim, num_heads, dropout=attention_dropout)
        self.dropout = Dropout(dropout)
        self.layer_norm = nn.LayerNorm(dim, eps=eps)
        self.feed_forward = FeedForward(
            dim,
            hidden_dim,
            activation=activation,
            activation_dropout=activation_dropout,
            dropout=dropout,
        )
        self.final_layer_norm = nn.LayerNorm(dim, eps=eps)
        self.adapter_layer = None if adapter_dim is None else LanguageAdapter(dim, adapter_dim)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        position_table: None = None,  # noqa: ARG002 - called like `ConformerLayer`
        rotation: None = None,  # noqa: ARG002
        key_padding_mask: Bool[Tensor, "B T"] | None = None,
        conv_padding_mask: Bool[Tensor, "B T"] | None = None,  # noqa: ARG002
        return_weights: bool = False,
        packed_lengths: Sequence[int] | None = None,
        flex: FlexAttention | None = None,
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B H T T"] | None]:
        """Transform frames.

        Args:
            x: Frames.
            position_table: Not used: positions are part of the frames.
            rotation: Not used.
            key_padding_mask: True at frames that attention must not look at.
            conv_padding_mask: Not used: there is no convolution.
            return_weights: Whether to return the attention weights.
            packed_lengths: As for `ConformerLayer`.
            flex: As for `ConformerLayer`.

        Returns:
            Frames of the same shape, and the attention weights or None.
        """
        attended, weights = self.attention(
            self.layer_norm(x) if self.norm_first else x,
            padding_mask=key_padding_mask,
            return_weights=return_weights,
            packed_lengths=packed_lengths,
            flex=flex,
        )
        x = torch.add(x, self.dropout(attended))  # from here on no longer the caller's tensor
        if not self.norm_first:
            x = self.layer_norm(x)
            return self.final_layer_norm(add_onto(x, self.feed_forward(x))), weights
        x = add_onto(x, self.feed_forward(self.final_layer_norm(x)))
        if self.adapter_layer is not None:
            x = add_onto(x, self.adapter_layer(x))
        return x, weights
