"""Gradients of the feature encoder on a CPU, with little memory.

The first convolutions make thousands of vectors a second: what autograd would keep of them is
most of the memory of a training step (86 MB for each second of audio with the released shapes).
Here norms, activations and the first convolution are computed once more on the way back; no
matrix product of a later convolution is.

Shapes used in this file:
    L  samples of one utterance, without padding
    T  frames
    C  channels
    W  width of the kernel in frames
    R  numbers that a kernel sees, W * C
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from wav2vec2_conformer.nn.feature_stack import Activation, FeatureStack, LayerTensors
from wav2vec2_conformer.nn.strided_products import (
    add_kernel_gradient,
    add_product,
    input_gradient,
)


def encode_utterance(
    waveform: Float[Tensor, " L"],
    layers: Sequence[LayerTensors],
    activation: Activation,
    dtype: torch.dtype,
) -> Float[Tensor, "T C"]:
    """Convolve, normalise and activate, layer after layer.

    Args:
        waveform: Samples, at least as many as one frame sees.
        layers: In order.
        activation: Function of each element at the end of each layer, without parameters.
        dtype: Of the products, of what is kept and of the result. Gradients have the dtypes of
            what they are of.
    """
    tensors = [tensor for layer in layers for tensor in layer.tensors]
    settings = [(layer.stride, layer.eps) for layer in layers]
    frames: Tensor = _EncodedUtterance.apply(waveform, activation, dtype, settings, *tensors)
    return frames


class _EncodedUtterance(torch.autograd.Function):
    """All layers at once."""

    @staticmethod
    def forward(
        ctx: Any,
        waveform: Float[Tensor, " L"],
        activation: Activation,
        dtype: torch.dtype,
        settings: Sequence[tuple[int, float]],
        *tensors: Tensor | None,
    ) -> Float[Tensor, "T C"]:
        stack = FeatureStack(waveform, _group(tensors, settings), activation, dtype)
        with torch.autocast(waveform.device.type, enabled=False):
            frames = stack.run()
        ctx.save_for_backward(waveform, *stack.made, *tensors)
        ctx.activation, ctx.dtype, ctx.settings = activation, dtype, settings
        return frames

    @staticmethod
    def backward(ctx: Any, gradient: Float[Tensor, "T C"]) -> tuple[Tensor | None, ...]:
        waveform, *saved = ctx.saved_tensors
        num_made = len(ctx.settings) - 1
        made, tensors = saved[:num_made], saved[num_made:]
        with torch.autocast(waveform.device.type, enabled=False):
            if torch.is_grad_enabled():  # somebody wants gradients of these gradients
                return _record_gradients(ctx, waveform, tensors, gradient)
            stack = _restore(ctx, waveform, tensors)
            stack.made = made
            way_back = _WayBack(stack, waveform if ctx.needs_input_grad[0] else None)
            way_back.run(gradient)
        sums = [total for layer in way_back.sums for total in layer.tensors]
        found = (
            None if total is None else total.to(tensor.dtype)
            for total, tensor in zip(sums, tensors, strict=True)
        )
        return way_back.of_waveform, None, None, None, *found


def _record_gradients(
    ctx: Any,
    waveform: Float[Tensor, " L"],
    tensors: Sequence[Tensor | None],
    gradient: Float[Tensor, "T C"],
) -> tuple[Tensor | None, ...]:
    # Aliases, since a kernel with a folded norm is itself made of the waveform.
    waveform = waveform.view_as(waveform)
    tensors = [None if tensor is None else tensor.view_as(tensor) for tensor in tensors]
    stack = _restore(ctx, waveform, tensors)
    inputs: list[Any] = [waveform, None, None, None, *tensors]
    places = [place for place, is_needed in enumerate(ctx.needs_input_grad) if is_needed]
    wanted = [inputs[place] for place in places]
    found = torch.autograd.grad(stack.run_recorded(), wanted, gradient, create_graph=True)
    by_place = dict(zip(places, found, strict=True))
    return tuple(by_place.get(place) for place in range(len(inputs)))


def _restore(
    ctx: Any, waveform: Float[Tensor, " L"], tensors: Sequence[Tensor | None]
) -> FeatureStack:
    return FeatureStack(waveform, _group(tensors, ctx.settings), ctx.activation, ctx.dtype)


def _group(tensors: Sequence[Any], settings: Sequence[tuple[int, float]]) -> list[LayerTensors]:
    """Undo the flattening of `encode_utterance`."""
    layers = []
    for index, (stride, eps) in enumerate(settings):
        kernel, bias, norm_weight, norm_bias = tensors[4 * index : 4 * index + 4]
        layers.append(LayerTensors(kernel, bias, norm_weight, norm_bias, stride, eps))
    return layers


class _WayBack:
    """Gradients of a stack's tensors, summed up in single precision at least."""

    def __init__(self, stack: FeatureStack, waveform: Float[Tensor, " L"] | None) -> None:
        self.stack = stack
        self.sums = _group(
            [_zeros_to_sum_in(tensor) for layer in stack.layers for tensor in layer.tensors],
            [(layer.stride, layer.eps) for layer in stack.layers],
        )
        self.of_waveform = None if waveform is None else torch.zeros_like(waveform)
        # Gradients of a later layer's frames before their norm, while they are summed up.
        self.before_norm: dict[int, Tensor] = {}

    def run(self, gradient: Float[Tensor, "T C"]) -> None:
        """Go back from the gradient of the last layer's frames."""
        last = len(self.stack.layers) - 1
        whole = slice(0, len(gradient))
        _, go_back = self.stack.repeat(last, whole)
        self._descend(last, whole, go_back(gradient))
        for index in range(last, 0, -1):
            above = self.before_norm.pop(index)
            layer, total = self.stack.layers[index], self.sums[index]
            _add_to(total.bias, above.sum(dim=0, dtype=total.kernel.dtype))
            for frames, seen in self.stack.pieces(index, len(above)):
                x, go_back = self.stack.repeat(index - 1, seen)
                add_kernel_gradient(total.kernel, above[frames], x, layer.stride)
                of_x = input_gradient(above[frames], layer.kernel, layer.stride, x.shape[1])
                self._descend(index - 1, seen, go_back(of_x))

    def _descend(self, index: int, frames: slice, gradients: Sequence[Tensor]) -> None:
        """Take what `FeatureStack.repeat` gives for some frames to where it belongs."""
        of_frames, *of_norm = gradients
        total = self.sums[index]
        for norm_total, summand in zip((total.norm_weight, total.norm_bias), of_norm, strict=False):
            _add_to(norm_total, summand)
        if index > 0:
            if index not in self.before_norm:
                self.before_norm[index] = torch.zeros_like(self.stack.made[index - 1])
            self.before_norm[index][frames] += of_frames
            return
        windows = self.stack.windows[frames]
        add_product(total.kernel, of_frames.t(), windows)
        _add_to(total.bias, of_frames.sum(dim=0, dtype=total.kernel.dtype))
        if self.of_waveform is not None:
            of_windows = of_frames @ self.stack.layers[0].kernel
            reached = self.of_waveform.unfold(0, windows.shape[1], total.stride)[frames]
            for place, of_samples in enumerate(of_windows.unbind(dim=1)):  # windows overlap
                reached[:, place] += of_samples


def _zeros_to_sum_in(tensor: Tensor | None) -> Tensor | None:
    if tensor is None:
        return None
    return torch.zeros_like(tensor, dtype=torch.promote_types(tensor.dtype, torch.float32))


def _add_to(total: Tensor | None, summand: Tensor) -> None:
    if total is not None:
        total += summand
