"""Weights of a positional convolution that every checkpoint carries and no forward pass uses.

The released Wav2Vec2-Conformer inherited it from Wav2Vec2. It is kept so that checkpoints load
and save whole, frozen so that no optimizer or distributed wrapper waits for its gradient.

Shapes used in this file:
    D  width of the encoder
    G  groups
    K  kernel size
"""

import torch
from torch import Tensor, nn


def _frozen(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape), requires_grad=False)


class _WeightNorm(nn.Module):
    """The two halves of a weight-normed weight, under torch's current names."""

    def __init__(self, dim: int, kernel_size: int, groups: int) -> None:
        super().__init__()
        self.original0 = _frozen(1, 1, kernel_size)
        self.original1 = _frozen(dim, dim // groups, kernel_size)


class _Convolution(nn.Module):
    def __init__(self, dim: int, kernel_size: int, groups: int) -> None:
        super().__init__()
        self.bias = _frozen(dim)
        self.parametrizations = nn.ModuleDict({"weight": _WeightNorm(dim, kernel_size, groups)})

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *args: object
    ) -> None:
        # Files of 2022 use the names of torch's older weight norm.
        for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
            if prefix + old in state_dict:
                value = state_dict.pop(prefix + old)
                state_dict[f"{prefix}parametrizations.weight.{new}"] = value
        super()._load_from_state_dict(state_dict, prefix, *args)


class UnusedPositionalConvolution(nn.Module):
    """Holder of `pos_conv_embed.conv.*`.

    Args:
        dim: Width D.
        kernel_size: Kernel size K.
        groups: Groups G.
    """

    def __init__(self, dim: int, kernel_size: int, groups: int) -> None:
        super().__init__()
        self.conv = _Convolution(dim, kernel_size, groups)
