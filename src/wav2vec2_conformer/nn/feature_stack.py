"""The feature encoder's layers over one utterance, with channels side by side in memory.

Norms, activations and the first convolution, which has ten multiplications a channel, are
computed where they are needed, a piece at a time. Kept is only what each later convolution makes:
6.5 MB for each second of audio with the released shapes.

Shapes used in this file:
    L  samples of one utterance, without padding
    T  frames
    C  channels
    W  width of the kernel in frames
    R  numbers that a kernel sees, W * C
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from wav2vec2_conformer.nn.strided_products import convolve_frames

# 8 MB of float32 with the released shapes: less would keep norms and activations in a core's own
# cache, but slows down the matrix products, which take most of the time.
PIECE_FRAMES = 4096

Activation = Callable[[Tensor], Tensor]


class LayerTensors(NamedTuple):
    """What a layer of the feature encoder computes with."""

    kernel: Float[Tensor, "C2 R"]
    """See `flatten_kernel`."""
    bias: Float[Tensor, " C2"] | None
    norm_weight: Float[Tensor, " C2"] | None
    """Of a layer norm; None without one."""
    norm_bias: Float[Tensor, " C2"] | None
    stride: int
    eps: float
    """Of the layer norm."""

    @property
    def tensors(self) -> tuple[Tensor | None, ...]:
        """The first four fields."""
        return self[:4]

    def with_products_in(self, dtype: torch.dtype) -> "LayerTensors":
        """Return the same with kernel and bias in another precision."""
        bias = None if self.bias is None else self.bias.to(dtype)
        return self._replace(kernel=self.kernel.to(dtype), bias=bias)


def fold_channel_norm(
    waveform: Float[Tensor, " L"],
    kernel: Float[Tensor, "C W"],
    bias: Float[Tensor, " C"] | None,
    norm_weight: Float[Tensor, " C"],
    norm_bias: Float[Tensor, " C"],
    *,
    stride: int,
    eps: float,
) -> tuple[Float[Tensor, "C W"], Float[Tensor, " C"]]:
    """Return kernel and bias that convolve as the given kernel and a norm over time after it do.

    A convolution is linear: mean and variance of each channel follow from the mean and the
    covariance of the windows of samples, a matrix of W x W numbers.
    """
    windows = waveform.unfold(0, kernel.shape[1], stride).double()  # (T, W)
    mean = windows.mean(dim=0)
    centred = windows - mean
    covariance = centred.t() @ centred / len(windows)
    precise = kernel.double()
    variance = ((precise @ covariance) * precise).sum(dim=1)
    folded = precise * (torch.rsqrt(variance + eps) * norm_weight)[:, None]
    offset = norm_bias - folded @ mean
    if bias is not None:
        offset = offset + (bias - bias)  # it has no effect, hence a gradient of zero
    return folded.to(kernel.dtype), offset.to(kernel.dtype)


class FeatureStack:
    """Layers, an utterance's samples, and what convolutions after the first made of them."""

    def __init__(
        self,
        waveform: Float[Tensor, " L"],
        layers: Sequence[LayerTensors],
        activation: Activation,
        dtype: torch.dtype,
    ) -> None:
        first = layers[0]
        windows = waveform.unfold(0, first.kernel.shape[1], first.stride)
        self.windows = windows.to(dtype)  # (T, W)
        self.layers = [layer.with_products_in(dtype) for layer in layers]
        self.activation = activation
        self.made: list[Tensor] = []  # (T, C) of each layer but the first

    def run(self) -> Float[Tensor, "T C"]:
        """Return the last layer's frames and fill `made`."""
        num_frames = len(self.windows)
        for index, layer in enumerate(self.layers[1:], start=1):
            num_frames = (num_frames - self._width(index)) // layer.stride + 1
            made = layer.kernel.new_empty(num_frames, len(layer.kernel))
            for frames, seen in self.pieces(index, num_frames):
                x = self._finish(index - 1, self._convolved(index - 1, seen))
                convolve_frames(x, layer.kernel, layer.bias, layer.stride, out=made[frames])
            self.made.append(made)
        last = len(self.layers) - 1
        return self._finish(last, self._convolved(last, slice(0, num_frames)))

    def run_recorded(self) -> Float[Tensor, "T C"]:
        """Return the same by operations that autograd can record, at its usual cost."""
        x = self._finish(0, self._convolved(0, slice(0, len(self.windows))))
        for index, layer in enumerate(self.layers[1:], start=1):
            weight = layer.kernel.unflatten(1, (self._width(index), -1)).transpose(1, 2)
            image = F.conv1d(x.t()[None], weight, layer.bias, layer.stride)
            x = self._finish(index, image[0].t())
        return x

    def pieces(self, index: int, num_frames: int) -> Iterator[tuple[slice, slice]]:
        """Yield pieces of a layer's frames, and the frames of the one below that they see."""
        stride, width = self.layers[index].stride, self._width(index)
        for start in range(0, num_frames, PIECE_FRAMES):
            stop = min(start + PIECE_FRAMES, num_frames)
            yield slice(start, stop), slice(start * stride, (stop - 1) * stride + width)

    def repeat(
        self, index: int, frames: slice
    ) -> tuple[Float[Tensor, "T C"], Callable[[Tensor], list[Tensor]]]:
        """Return a layer's frames again, and what gradients follow from theirs.

        The gradients are that of the frames before norm and activation, and those of the norm.
        """
        layer = self.layers[index]
        leaves = [self._convolved(index, frames).detach().requires_grad_()]
        if layer.norm_weight is not None and layer.norm_bias is not None:
            leaves += [
                tensor.detach().requires_grad_() for tensor in (layer.norm_weight, layer.norm_bias)
            ]
        with torch.enable_grad():
            out = self._finish(index, *leaves)
        return out.detach(), lambda gradient: list(torch.autograd.grad(out, leaves, gradient))

    def _width(self, index: int) -> int:
        """Return the width of a later layer's kernel in frames."""
        return self.layers[index].kernel.shape[1] // len(self.layers[index - 1].kernel)

    def _convolved(self, index: int, frames: slice) -> Float[Tensor, "T C"]:
        """Return a layer's frames before its norm."""
        if index > 0:
            return self.made[index - 1][frames]
        first = self.layers[0]
        return F.linear(self.windows[frames], first.kernel, first.bias)

    def _finish(
        self,
        index: int,
        convolved: Float[Tensor, "T C"],
        norm_weight: Tensor | None = None,
        norm_bias: Tensor | None = None,
    ) -> Float[Tensor, "T C"]:
        """Normalise and activate."""
        layer = self.layers[index]
        if layer.norm_weight is not None:
            weight = layer.norm_weight if norm_weight is None else norm_weight
            bias = layer.norm_bias if norm_bias is None else norm_bias
            convolved = F.layer_norm(convolved, convolved.shape[1:], weight, bias, layer.eps)
        return self.activation(convolved)
