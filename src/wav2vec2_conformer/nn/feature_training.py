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
from torch.autograd.function import once_differentiable

from wav2vec2_conformer.nn.feature_stack import Activation, FeatureStack, LayerTensors
from wav2vec2_conformer.nn.strided_products import (
    add_kernel_gradient,
    add_product,
    input_gradient,
)


def encode_utterance(
    waveform: Float[Tensor, " L"], layers: Sequence[LayerTensors], activation: Activation
) -> Float[Tensor, "T C"]:
    """Convolve, normalise and activate, layer after layer; gradients of first order follow.

    Args:
        waveform: Samples, at least as many as one frame sees.
        layers: In order. Tensors of the waveform's dtype, those of norms apart.
        activation: Function of each element at the end of each layer, without parameters.
    """
    tensors = [tensor for layer in layers for tensor in layer.tensors]
    settings = [(layer.stride, layer.eps) for layer in layers]
    frames: Tensor = _EncodedUtterance.apply(waveform, activation, settings, *tensors)
    return frames


class _EncodedUtterance(torch.autograd.Function):
    """All layers at once."""

    @staticmethod
    def forward(
        ctx: Any,
        waveform: Float[Tensor, " L"],
        activation: Activation,
        settings: Sequence[tuple[int, float]],
        *tensors: Tensor | None,
    ) -> Float[Tensor, "T C"]:
        stack = FeatureStack(waveform, _group(tensors, settings), activation)
        with torch.autocast(waveform.device.type, enabled=False):
            frames = stack.run()
        ctx.save_for_backward(waveform, *stack.made, *tensors)
        ctx.activation, ctx.settings = activation, settings
        return frames

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, "T C"]) -> tuple[Tensor | None, ...]:
        waveform, *saved = ctx.saved_tensors
        num_made = len(ctx.settings) - 1
        tensors = saved[num_made:]
        stack = FeatureStack(waveform, _group(tensors, ctx.settings), ctx.activation)
        stack.made = saved[:num_made]
        way_back = _WayBack(stack, of_waveform=ctx.needs_input_grad[0])
        with torch.autocast(waveform.device.type, enabled=False):
            way_back.run(gradient)
        sums = [total for layer in way_back.sums for total in layer.tensors]
        found = (
            None if total is None else total.to(tensor.dtype)
            for total, tensor in zip(sums, tensors, strict=True)
        )
        return way_back.of_waveform, None, None, *found


def _group(
    tensors: Sequence[Tensor | None], settings: Sequence[tuple[int, float]]
) -> list[LayerTensors]:
    """Undo the flattening of `encode_utterance`."""
    fours = zip(*[iter(tensors)] * 4, strict=True)
    return [LayerTensors(*four, *setting) for four, setting in zip(fours, settings, strict=True)]


class _WayBack:
    """Gradients of a stack's tensors, summed up in single precision at least."""

    def __init__(self, stack: FeatureStack, *, of_waveform: bool) -> None:
        self.stack = stack
        self.sums = [
            LayerTensors(*(map(_zeros_to_sum_in, layer.tensors)), layer.stride, layer.eps)
            for layer in stack.layers
        ]
        self.of_waveform = torch.zeros_like(stack.waveform) if of_waveform else None

    def run(self, gradient: Float[Tensor, "T C"]) -> None:
        """Go back from the gradient of the last layer's frames."""
        last = len(self.stack.layers) - 1
        whole = slice(0, len(gradient))
        below = self._zeros_before_norm(last)
        _, go_back = self.stack.repeat(last, whole)
        self._descend(last, whole, go_back(gradient), below)
        for index in range(last, 0, -1):
            above, below = below, self._zeros_before_norm(index - 1)
            layer, total = self.stack.layers[index], self.sums[index]
            _add_to(total.bias, above.sum(dim=0))
            for frames, seen in self.stack.pieces(index, len(above)):
                x, go_back = self.stack.repeat(index - 1, seen)
                add_kernel_gradient(total.kernel, above[frames], x, layer.stride)
                of_x = input_gradient(above[frames], layer.kernel, layer.stride, x.shape[1])
                self._descend(index - 1, seen, go_back(of_x), below)

    def _zeros_before_norm(self, index: int) -> Float[Tensor, "T C"] | None:
        """Return where the gradient of a layer's frames before their norm is summed up.

        None for the first layer, where it is used piece by piece.
        """
        return torch.zeros_like(self.stack.made[index - 1]) if index > 0 else None

    def _descend(
        self, index: int, frames: slice, gradients: Sequence[Tensor], below: Tensor | None
    ) -> None:
        """Take what `FeatureStack.repeat` gives for some frames to where it belongs."""
        of_frames, *of_norm = gradients
        total = self.sums[index]
        for norm_total, summand in zip((total.norm_weight, total.norm_bias), of_norm, strict=False):
            _add_to(norm_total, summand)
        if below is not None:
            below[frames] += of_frames
            return
        windows = self.stack.windows[frames]
        add_product(total.kernel, of_frames.t(), windows)
        _add_to(total.bias, of_frames.sum(dim=0))
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
