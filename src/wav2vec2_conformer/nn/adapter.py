"""Adapter: strided convolutions after the encoder, for fewer frames.

Source: the specification's `add_adapter`; Li et al. 2021, https://arxiv.org/abs/2010.12829.

Shapes used in this file:
    B  utterances in the batch
    T  frames, padded to the longest utterance
    D  width of the encoder
    O  width of the output
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn.lengths import conv_output_lengths, padding_mask_from_lengths
from wav2vec2_conformer.nn.precision import convolve

PADDING_FRAMES = 1  # of each convolution, on both sides, as in the released implementation


class AdapterLayer(nn.Module):
    """Convolution O -> 2O with a gated linear unit.

    Args:
        dim: Width O.
        kernel_size: Kernel in frames.
        stride: Stride in frames.
    """

    def __init__(self, dim: int, *, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(dim, 2 * dim, kernel_size, stride, padding=PADDING_FRAMES)

    def forward(self, x: Float[Tensor, "B O T"]) -> Float[Tensor, "B O T2"]:
        """Shorten frames."""
        return F.glu(convolve(self.conv, x), dim=1)


class Adapter(nn.Module):
    """An optional projection, then `AdapterLayer`s. No layer is ever dropped: lengths matter.

    Args:
        dim: Width D of the encoder.
        output_dim: Width O of the output.
        num_layers: Number of convolutions.
        kernel_size: Their kernel in frames.
        stride: Their stride in frames.
    """

    def __init__(
        self, dim: int, output_dim: int, num_layers: int, *, kernel_size: int, stride: int
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride
        self.proj = nn.Linear(dim, output_dim) if dim != output_dim else None
        self.proj_layer_norm = nn.LayerNorm(output_dim) if dim != output_dim else None
        self.layers = nn.ModuleList(
            AdapterLayer(output_dim, kernel_size=kernel_size, stride=stride)
            for _ in range(num_layers)
        )

    def output_lengths(self, lengths: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        """Return the number of frames that come of `lengths` frames; none come of none."""
        for _ in self.layers:
            lengths = self._layer_lengths(lengths)
        return lengths

    def _layer_lengths(self, lengths: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        out = conv_output_lengths(
            lengths, kernel_size=self.kernel_size, stride=self.stride, padding=PADDING_FRAMES
        )
        return out * (lengths > 0)

    def forward(
        self, x: Float[Tensor, "B T D"], lengths: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B T2 O"]:
        """Shorten frames.

        Args:
            x: Frames.
            lengths: Valid frames of each utterance; padding is zeroed before each convolution,
                as the end of an utterance that stands alone is. None: all are valid.

        Raises:
            InputError: There are fewer frames than a convolution's kernel needs.
        """
        if self.proj is not None and self.proj_layer_norm is not None:
            x = self.proj_layer_norm(self.proj(x))
        x = x.transpose(1, 2)  # (B, O, T)
        for layer in self.layers:
            if lengths is not None:
                mask = padding_mask_from_lengths(lengths, x.shape[2])
                x = x.masked_fill(mask[:, None, :], 0.0)
                lengths = self._layer_lengths(lengths)
            if (
                not torch.compiler.is_compiling()
                and x.shape[2] + 2 * PADDING_FRAMES < self.kernel_size
            ):
                raise InputError(
                    f"the adapter's convolutions need {self.kernel_size - 2 * PADDING_FRAMES} "
                    f"frames, got {x.shape[2]}. Pad the waveform or leave the clip out"
                )
            x = layer(x)
        return x.transpose(1, 2)
