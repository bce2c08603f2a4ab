"""Arithmetic that writes over its input where nobody needs the input any more.

Fresh memory costs more than the arithmetic on it: the system clears each page and hands it over
one by one. So evaluation without gradient reuses what it has. With a gradient, under a compiler
or an exporter, the same functions compute the same values out of place.

Shapes used in this file:
    D  width
    D2 width of a linear map's result
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

PIECE_ELEMENTS = 2**17  # 512 KB of float32, which stay in a core's own cache


def may_write_over() -> bool:
    """Return whether intermediate values may be overwritten: nothing records this pass."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    return not torch.jit.is_tracing()  # type: ignore[attr-defined]  # torch forgot to export it


def is_captured(x: Float[Tensor, "..."]) -> bool:
    """Return whether what is computed of `x` now becomes part of a CUDA graph.

    Its results lie in memory that is the graph's own, and that is written to anew with each
    replay: nothing may be kept of them.
    """
    return x.is_cuda and torch.cuda.is_current_stream_capturing()


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


def apply_after(
    linear: nn.Module, function: Callable[[Tensor], Tensor], x: Float[Tensor, "*B D"]
) -> Float[Tensor, "*B D2"]:
    """Return an elementwise function of a linear map.

    torch fills the result with the bias before it multiplies. Where the result may be written
    over, the bias is added on the way to the function instead, which passes over it anyway.
    """
    if not (
        isinstance(linear, nn.Linear)
        and _is_plain_product(linear)
        and may_write_over()
        and x.is_contiguous()
    ):
        return apply_onto(function, linear(x))
    out = torch.mm(x.flatten(0, -2), linear.weight.t())
    for piece in out.split(max(PIECE_ELEMENTS // out.shape[1], 1)):
        if linear.bias is not None:
            piece.add_(linear.bias)
        piece.copy_(function(piece))
    return out.unflatten(0, x.shape[:-1])


def _is_plain_product(linear: nn.Linear) -> bool:
    """Return whether a product in single precision on the CPU is all that a module does."""
    return (
        type(linear) is nn.Linear  # not an adapter around one, nor one of fewer bits
        and linear.weight.dtype == torch.float32
        and linear.weight.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and not (linear._forward_hooks or linear._forward_pre_hooks)  # noqa: SLF001 - torch's only way
        and "forward" not in vars(linear)  # what loads weights when they are needed puts one there
    )
