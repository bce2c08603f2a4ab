"""Arithmetic that writes over its input where nobody needs the input any more.

Fresh memory costs more than the arithmetic on it: the system clears each page and hands it over
one by one. So evaluation without gradient reuses what it has. With a gradient, under a compiler
or an exporter, the same functions compute the same values out of place.

Shapes used in this file:
    D  width
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

PIECE_ELEMENTS = 2**17  # 512 KB of float32, which stay in a core's own cache


def may_write_over() -> bool:
    """Return whether intermediate values may be overwritten: nothing records this pass."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    return not torch.jit.is_tracing()  # type: ignore[attr-defined]  # torch forgot to export it


def add_onto(
    x: Float[Tensor, "*B D"], y: Float[Tensor, "*B D"], *, alpha: float = 1.0
) -> Float[Tensor, "*B D"]:
    """Return x + alpha * y, in the memory of `x` if it may be overwritten."""
    if may_write_over():
        return x.add_(y, alpha=alpha)
    return x + (y if alpha == 1.0 else alpha * y)


def apply_onto(
    function: Callable[[Tensor], Tensor], x: Float[Tensor, "*B D"]
) -> Float[Tensor, "*B D"]:
    """Return an elementwise function of `x`, in the memory of `x` if it may be overwritten."""
    if not (may_write_over() and x.is_contiguous()):
        return function(x)
    for piece in x.flatten().split(PIECE_ELEMENTS):
        piece.copy_(function(piece))
    return x
