"""The same random weights in every implementation, from the names of the parameters."""

import zlib

import torch
from torch import nn

_NOT_USED = "pos_conv_embed."  # in released checkpoints; an implementation may lack or split it
_BIAS_STD = 0.02


def fill_by_name(model: nn.Module) -> None:
    """Draw every parameter anew, from a generator that its name seeds.

    Weights keep the scale of their input (standard deviation fan-in ** -0.5), biases and the
    embedding of masked frames are small; the weights of norms stay one.

    Args:
        model: Any implementation; its parameters have the names of released checkpoints.
    """
    generator = torch.Generator()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if _NOT_USED in name:
                continue
            generator.manual_seed(zlib.crc32(name.encode()))
            if parameter.dim() > 1:
                parameter.normal_(std=parameter[0].numel() ** -0.5, generator=generator)
            elif not name.endswith("weight"):
                parameter.normal_(std=_BIAS_STD, generator=generator)
