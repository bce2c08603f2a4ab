"""Convolution module of the Conformer block.

Paper: Gulati et al. 2020, "Conformer", https://arxiv.org/abs/2005.08100, Section 2.2.

Shapes used in this file:
    B  utterances in the batch
    T  frames, padded to the longest utterance
    D  width of the encoder
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from wav2vec2_conformer.errors import ConfigurationError
from wav2vec2_conformer.nn.in_place import apply_onto, may_write_over
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
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ConfigurationError(
                f"kernel_size must be a positive odd number, got {kernel_size}"
            )
        self.layer_norm = nn.LayerNorm(dim)
        self.pointwise_conv1 = nn.Conv1d(dim, 2 * dim, kernel_size=1, bias=False)
        self.depthwise_conv = nn.Conv1d(
            dim, dim, kernel_size, padding=kernel_size // 2, groups=dim, bias=False
        )
        self.batch_norm = MaskedBatchNorm1d(dim)
        self.activation = activation
        self.pointwise_conv2 = nn.Conv1d(dim, dim, kernel_size=1, bias=False)
        self.dropout = nn.Dropout(dropout)

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
        # A convolution of kernel 1 is a linear map, which needs no transposed copy.
        x = F.glu(F.linear(x, self.pointwise_conv1.weight[:, :, 0]), dim=2)
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
        return self.dropout(F.linear(x, self.pointwise_conv2.weight[:, :, 0]))

    def _convolve(
        self, x: Float[Tensor, "B T D"], padding_mask: Bool[Tensor, "B T"] | None
    ) -> Float[Tensor, "B T D"]:
        """Convolve over time, normalise, activate."""
        if (
            not self.training
            and may_write_over()
            and x.device.type == "cpu"
            and not torch.is_autocast_enabled("cpu")
            and type(self.depthwise_conv) is nn.Conv1d  # an adapter may be around it
        ):
            return apply_onto(self.activation, self._convolve_folded(x))
        x = convolve(self.depthwise_conv, x.transpose(1, 2))  # (B, D, T)
        return self.activation(self.batch_norm(x, padding_mask)).transpose(1, 2)

    def _convolve_folded(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Convolve and normalise in one operation, without moving a frame.

        A batch norm with fixed statistics is a factor and an offset for each channel, which go
        into the convolution's weight and bias. The frames' memory, seen as an image of height 1
        with the channels last, is what torch's convolutions of images are fastest with: some 20
        times as fast as transposing and `conv1d` (torch 2.13, one core).
        """
        scale, offset = self.batch_norm.scale_and_offset()
        conv = self.depthwise_conv
        image = x.transpose(1, 2)[:, :, None]  # (B, D, 1, T)
        weight = (conv.weight[:, :, None] * scale[:, None, None, None]).to(x.dtype)
        padding = (0, conv.kernel_size[0] // 2)
        image = F.conv2d(image, weight, offset.to(x.dtype), padding=padding, groups=conv.groups)
        return image[:, :, 0].transpose(1, 2)
