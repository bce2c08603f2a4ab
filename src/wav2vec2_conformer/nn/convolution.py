"""Convolution module of the Conformer block.

Paper: Gulati et al. 2020, "Conformer", https://arxiv.org/abs/2005.08100, Section 2.2.

Shapes used in this file:
    B  utterances in the batch
    T  frames, padded to the longest utterance
    D  width of the encoder
    D2 width of a pointwise convolution's result
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from wav2vec2_conformer.errors import ConfigurationError
from wav2vec2_conformer.nn.depthwise import convolve_depthwise
from wav2vec2_conformer.nn.dropout import Dropout
from wav2vec2_conformer.nn.in_place import apply_onto, may_write_over
from wav2vec2_conformer.nn.int8_linear import Int8Linear
from wav2vec2_conformer.nn.normalization import MaskedBatchNorm1d
from wav2vec2_conformer.nn.precision import convolve


class ConvolutionModule(nn.Module):
    """Mix neighbouring frames: pointwise conv, GLU, depthwise conv, norm, pointwise conv.

    The residual connection belongs to `ConformerLayer`.

    Args:
        dim: Width D.
        kernel_size: Width of the depthwise convolution in frames. Odd, so that output frame t
            is centred on input frame t. 31 frames see 620 ms.
        activation: Function after the batch norm.
        dropout: Dropout of the output, in training only.
        causal: Whether a frame sees only itself and frames before it, with a layer norm in
            place of the batch norm, as in Wav2Vec2-BERT.
        eps: Epsilon of the layer norms.

    Raises:
        ConfigurationError: `kernel_size` is not a positive odd number.
    """

    def __init__(
        self,
        dim: int,
        *,
        kernel_size: int = 31,
        activation: Callable[[Tensor], Tensor] = F.silu,
        dropout: float = 0.0,
        causal: bool = False,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ConfigurationError(
                f"kernel_size must be a positive odd number, got {kernel_size}"
            )
        self.causal = causal
        self.layer_norm = nn.LayerNorm(dim, eps=eps)
        self.pointwise_conv1 = nn.Conv1d(dim, 2 * dim, kernel_size=1, bias=False)
        self.depthwise_conv = nn.Conv1d(
            dim, dim, kernel_size, padding=0 if causal else kernel_size // 2, groups=dim, bias=False
        )
        if causal:
            self.depthwise_layer_norm = nn.LayerNorm(dim, eps=eps)
        else:
            self.batch_norm = MaskedBatchNorm1d(dim)
        self.activation = activation
        self.pointwise_conv2 = nn.Conv1d(dim, dim, kernel_size=1, bias=False)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        padding_mask: Bool[Tensor, "B T"] | None = None,
        packed_lengths: Sequence[int] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Transform frames; a valid frame never sees a padded one.

        Args:
            x: Frames.
            padding_mask: True where a frame is padding. None means that no frame is.
            packed_lengths: Frames of each utterance, if they stand in one row without padding.

        Returns:
            Frames of the same shape. Values at padded frames carry no meaning.
        """
        x = self.layer_norm(x)
        x = F.glu(_convolve_pointwise(self.pointwise_conv1, x), dim=2)
        if padding_mask is not None:
            # Not at the input, where the bias of the layer norm would undo it: the next line
            # is the one that mixes frames.
            hidden = padding_mask[:, :, None]
            x = x.masked_fill_(hidden, 0.0) if may_write_over() else x.masked_fill(hidden, 0.0)
        if packed_lengths is None:
            x = self._convolve(x, padding_mask)
        else:
            utterances = x.split(list(packed_lengths), dim=1)
            x = torch.cat([self._convolve(utterance, None) for utterance in utterances], dim=1)
        return self.dropout(_convolve_pointwise(self.pointwise_conv2, x))

    def _convolve(
        self, x: Float[Tensor, "B T D"], padding_mask: Bool[Tensor, "B T"] | None
    ) -> Float[Tensor, "B T D"]:
        """Convolve over time, normalise, activate."""
        conv = self.depthwise_conv
        if self.causal:
            return self._convolve_causally(x)
        if not self._may_keep_channels_last(x):
            x = convolve(conv, x.transpose(1, 2))  # (B, D, T)
            return self.activation(self.batch_norm(x, padding_mask)).transpose(1, 2)
        if not self.training and may_write_over() and not torch.is_autocast_enabled("cpu"):
            # A batch norm with fixed statistics is a factor and an offset for each channel,
            # which go into the convolution's weight and bias.
            scale, offset = self.batch_norm.scale_and_offset()
            weight = (conv.weight * scale[:, None, None]).to(x.dtype)
            return apply_onto(self.activation, convolve_depthwise(x, weight, offset.to(x.dtype)))
        with torch.autocast("cpu", enabled=False):
            x = convolve_depthwise(x.to(conv.weight.dtype), conv.weight)
        x = self.batch_norm(x.transpose(1, 2), padding_mask).transpose(1, 2)
        return self.activation(x)

    def _convolve_causally(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        conv = self.depthwise_conv
        before = conv.kernel_size[0] - 1
        if self._may_keep_channels_last(x) and not torch.is_autocast_enabled("cpu"):
            # The centred convolution of frames that begin half a kernel late, without the
            # frames that stand too far ahead.
            late = F.pad(x, (0, 0, before // 2, 0))
            x = convolve_depthwise(late, conv.weight)[:, : x.shape[1]]
        else:
            x = convolve(conv, F.pad(x.transpose(1, 2), (before, 0))).transpose(1, 2)
        return self.activation(self.depthwise_layer_norm(x))

    def _may_keep_channels_last(self, x: Float[Tensor, "B T D"]) -> bool:
        return (
            x.device.type == "cpu"
            and not torch.compiler.is_compiling()
            and not torch.jit.is_tracing()  # type: ignore[attr-defined]  # torch forgot to export it
            and type(self.depthwise_conv) is nn.Conv1d  # an adapter may be around it
        )


def _convolve_pointwise(conv: Any, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D2"]:
    """Convolve with a kernel of one frame: a linear map, which needs no transposed copy."""
    if isinstance(conv, Int8Linear):
        return conv(x)
    weight: Tensor = conv.weight
    return F.linear(x, weight[:, :, 0])
