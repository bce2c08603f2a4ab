"""Positions by a convolution over the encoder's input, as in Wav2Vec2.

Conformers have them only if they were pre-trained with fairseq's `pos_enc_type=abs`; all others
carry the same weights unused.

Paper: wav2vec 2.0, https://arxiv.org/abs/2006.11477, Section 2 ("Contextualized representations").

Shapes used in this file:
    B  utterances in the batch
    T  frames, padded to the longest utterance
    D  width of the encoder
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wav2vec2_conformer.nn.unused_convolution import UnusedPositionalConvolution


class PositionalConvolution(UnusedPositionalConvolution):
    """The same weights, trained and in use: a weight-normed convolution, then a function.

    Args:
        dim: Width D.
        kernel_size: Kernel size.
        groups: Groups.
        activation: The function.
    """

    def __init__(
        self,
        dim: int,
        kernel_size: int,
        groups: int,
        *,
        activation: Callable[[Tensor], Tensor] = F.gelu,
    ) -> None:
        super().__init__(dim, kernel_size, groups)
        self.kernel_size = kernel_size
        self.groups = groups
        self.activation = activation
        self.requires_grad_(requires_grad=True)
        # As in fairseq. Zeros, which do for weights that are never used, have no direction.
        halves: Any = self.conv.parametrizations["weight"]
        nn.init.normal_(halves.original1, std=(4 / (kernel_size * dim)) ** 0.5)
        with torch.no_grad():
            norm = torch.linalg.vector_norm(halves.original1, dim=(0, 1), keepdim=True)
            halves.original0.copy_(norm)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Return what is to be added to each frame.

        Args:
            x: Frames, zero at padding.
        """
        halves: Any = self.conv.parametrizations["weight"]
        direction = halves.original1
        norm = torch.linalg.vector_norm(direction, dim=(0, 1), keepdim=True)
        weight = direction * (halves.original0 / norm)
        padding = self.kernel_size // 2
        out = F.conv1d(
            x.transpose(1, 2), weight, self.conv.bias, padding=padding, groups=self.groups
        )
        # An even kernel gives one frame too many, which stands after the last.
        return self.activation(out[:, :, : x.shape[1]]).transpose(1, 2)
