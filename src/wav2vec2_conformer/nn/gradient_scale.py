"""A slower pace for one part of a model: its gradient times a number.

Paper: wav2vec 2.0, https://arxiv.org/abs/2006.11477, Section 4.2 (the feature encoder's
gradients are scaled by 1/10).
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function


class _ScaledGradient(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.scale, None


def scale_gradient(x: Float[Tensor, "..."], scale: float) -> Float[Tensor, "..."]:
    """Return `x` unchanged; its gradient is multiplied by `scale`."""
    scaled: Tensor = _ScaledGradient.apply(x, scale)
    return scaled
