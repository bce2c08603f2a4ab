"""Feature encoder: strided convolutions from the waveform to one vector per frame.

Paper: Baevski et al. 2020, "wav2vec 2.0", https://arxiv.org/abs/2006.11477, Section 2.

Shapes used in this file:
    B  utterances in the batch
    L  samples of the waveform, padded to the longest utterance
    C  channels of a convolution
    T  frames (with the released strides one frame = 320 samples = 20 ms)
"""

from collections.abc import Callable, Sequence
from math import prod

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from wav2vec2_conformer.nn.feature_stack import LayerTensors, fold_channel_norm
from wav2vec2_conformer.nn.feature_training import encode_utterance
from wav2vec2_conformer.nn.in_place import apply_onto, may_write_over
from wav2vec2_conformer.nn.lengths import conv_output_lengths, padding_mask_from_lengths
from wav2vec2_conformer.nn.normalization import MaskedChannelNorm
from wav2vec2_conformer.nn.packing import worth_packing
from wav2vec2_conformer.nn.precision import convolve
from wav2vec2_conformer.nn.strided_products import flatten_kernel

# Frames encoded at a time where no gradient is needed; 250 are 5 s with the released strides.
BLOCK_FRAMES = 250
# In 16 bits an utterance is encoded as if it were a whole multiple of so many frames long. For
# each new shape of a product oneDNN makes a program, which takes longer than a small product.
MIXED_FRAMES = 16

Activation = Callable[[Tensor], Tensor]


class ConvLayer(nn.Module):
    """One convolution, its norm and the activation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Kernel in frames of the input.
        stride: Stride in frames of the input.
        bias: Whether the convolution has a bias.
        norm: `"layer"` over channels, `"group"` over time, or None.
        activation: Function applied last.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        stride: int,
        bias: bool,
        norm: str | None,
        activation: Activation,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, kernel_size, stride, bias=bias)
        if norm == "layer":
            self.layer_norm: nn.Module = nn.LayerNorm(out_channels)
        elif norm == "group":
            self.layer_norm = MaskedChannelNorm(out_channels)
        self.norm = norm
        self.activation = activation

    def forward(
        self, x: Float[Tensor, "B C T"], lengths: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B C2 T2"]:
        """Convolve, normalise, activate.

        Args:
            x: Input.
            lengths: Valid frames of the *output*, for the group norm. None: all are valid.
        """
        if self.norm == "layer" and self._may_keep_channels_last(x):
            return self._convolve_channels_last(x)
        x = convolve(self.conv, x)
        if self.norm == "layer":
            x = self.layer_norm(x.transpose(1, 2)).transpose(1, 2)
        elif self.norm == "group":
            mask = None if lengths is None else padding_mask_from_lengths(lengths, x.shape[2])
            x = self.layer_norm(x, mask)
        return apply_onto(self.activation, x)

    @property
    def is_plain(self) -> bool:
        """Whether `tensors` and a pure function of elements are all of what the layer does."""
        modules = (self, *self.children())
        return (
            type(self) is ConvLayer
            and type(self.conv) is nn.Conv1d  # an adapter may be around it
            and type(self.conv.weight) is nn.Parameter  # processes may share it out
            and not any(_has_hooks(module) for module in modules)
            and not getattr(self.activation, "inplace", False)
            and not (isinstance(self.activation, nn.Module) and [*self.activation.parameters()])
        )

    def tensors(self, waveform: Float[Tensor, " L"] | None = None) -> LayerTensors:
        """Return what the layer computes with.

        Args:
            waveform: All valid samples, for a group norm: it becomes a part of the kernel.
        """
        kernel, bias, stride = flatten_kernel(self.conv.weight), self.conv.bias, self.conv.stride[0]
        norm = self.layer_norm if self.norm else None
        norm_weight = norm_bias = None
        eps = 0.0
        if isinstance(norm, nn.LayerNorm):
            norm_weight, norm_bias, eps = norm.weight, norm.bias, norm.eps
        elif isinstance(norm, MaskedChannelNorm) and waveform is not None:
            with torch.autocast("cpu", enabled=False):
                kernel, bias = fold_channel_norm(
                    waveform, kernel, bias, norm.weight, norm.bias, stride=stride, eps=norm.eps
                )
        return LayerTensors(kernel, bias, norm_weight, norm_bias, stride, eps)

    def _may_keep_channels_last(self, x: Float[Tensor, "B C T"]) -> bool:
        return (
            may_write_over()
            and x.device.type == "cpu"
            and not torch.is_autocast_enabled("cpu")
            and type(self.conv) is nn.Conv1d  # an adapter may be around it
        )

    def _convolve_channels_last(self, x: Float[Tensor, "B C T"]) -> Float[Tensor, "B C2 T2"]:
        """Do the same, with all channels of a frame side by side in memory.

        So the layer norm and the next layer take them without a transposed copy. Frames in this
        order are an image of height 1 with its channels last, which torch convolves as fast; of
        a single channel, the kernel's windows are the rows of a matrix product.
        """
        conv = self.conv
        if x.shape[1] == 1:
            windows = x[:, 0].unfold(1, conv.kernel_size[0], conv.stride[0])  # (B, T2, kernel)
            frames = F.linear(windows, conv.weight[:, 0], conv.bias)  # (B, T2, C2)
        else:
            weight = conv.weight[:, :, None]
            image = F.conv2d(x[:, :, None], weight, conv.bias, (1, conv.stride[0]))
            frames = image[:, :, 0].transpose(1, 2)
        return apply_onto(self.activation, self.layer_norm(frames)).transpose(1, 2)


def _is_recorded() -> bool:
    """Return whether autograd records this pass, and no compiler or exporter does."""
    if not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    return not torch.jit.is_tracing()  # type: ignore[attr-defined]  # torch forgot to export it


def _has_hooks(module: nn.Module) -> bool:
    hooks = module._forward_hooks, module._forward_pre_hooks  # noqa: SLF001  torch has no other way
    return any(hooks)


class FeatureEncoder(nn.Module):
    """A stack of `ConvLayer`s.

    A valid frame never sees a padded sample, since no convolution pads. The one exception is
    the group norm, whose statistics run over time: it is given the valid lengths.

    Args:
        channels: Channels of each layer.
        kernel_sizes: Kernel of each layer.
        strides: Stride of each layer.
        bias: Whether the convolutions have biases.
        norm: `"layer"`: in each layer; `"group"`: in the first layer only.
        activation: Function applied at the end of each layer.
    """

    gradient_checkpointing = False

    def __init__(
        self,
        channels: Sequence[int],
        kernel_sizes: Sequence[int],
        strides: Sequence[int],
        *,
        bias: bool,
        norm: str,
        activation: Activation,
    ) -> None:
        super().__init__()
        self.kernel_sizes = tuple(kernel_sizes)
        self.strides = tuple(strides)
        self.output_dim = channels[-1]
        # With a norm over time every frame depends on the whole utterance.
        self._is_local = norm == "layer"
        self.conv_layers = nn.ModuleList(
            ConvLayer(
                1 if index == 0 else channels[index - 1],
                channels[index],
                kernel_size=kernel_sizes[index],
                stride=strides[index],
                bias=bias,
                norm=norm if norm == "layer" or index == 0 else None,
                activation=activation,
            )
            for index in range(len(channels))
        )

    @property
    def receptive_field(self) -> int:
        """Samples that one frame sees: the shortest usable waveform."""
        samples = 1
        for kernel_size, stride in zip(self.kernel_sizes[::-1], self.strides[::-1], strict=True):
            samples = (samples - 1) * stride + kernel_size
        return samples

    def output_lengths(self, lengths: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        """Return the number of frames that come of `lengths` samples."""
        for index in range(len(self.conv_layers)):
            lengths = self._layer_lengths(index, lengths)
        return lengths

    def _layer_lengths(self, index: int, lengths: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        return conv_output_lengths(
            lengths, kernel_size=self.kernel_sizes[index], stride=self.strides[index]
        )

    def forward(
        self, waveforms: Float[Tensor, "B L"], lengths: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B T C"]:
        """Turn waveforms into frames.

        Args:
            waveforms: Samples.
            lengths: Valid samples of each waveform. None: all are valid.
        """
        if waveforms.device.type == "cpu" and _is_recorded():
            if not self._wants_gradient(waveforms):
                with torch.no_grad():
                    return self.forward(waveforms, lengths)
            layers = self._plain_layers()
            if layers and waveforms.shape[1] >= self.receptive_field:
                return self._train_singly(waveforms, lengths, layers)
        if lengths is not None and worth_packing(lengths, waveforms.shape[1]):
            return self._encode_singly(waveforms, lengths)
        if self._is_local and may_write_over():
            return self._encode_in_blocks(waveforms)
        return self._encode(waveforms, lengths)

    def _wants_gradient(self, waveforms: Float[Tensor, "B L"]) -> bool:
        return any(tensor.requires_grad for tensor in (waveforms, *self.parameters()))

    def _plain_layers(self) -> list[ConvLayer] | None:
        """Return the layers, or None if one of them does more than `ConvLayer.tensors` says."""
        layers = [layer for layer in self.conv_layers if isinstance(layer, ConvLayer)]
        is_plain = len(layers) == len(self.conv_layers) and all(layer.is_plain for layer in layers)
        return layers if is_plain else None

    def _train_singly(
        self,
        waveforms: Float[Tensor, "B L"],
        lengths: Int[Tensor, " B"] | None,
        layers: Sequence[ConvLayer],
    ) -> Float[Tensor, "B T C"]:
        """Encode each utterance's own samples with lean gradients; frames of padding are zero.

        Less is kept for the way back than checkpoints at each layer would keep.
        """
        num_samples = waveforms.shape[1]
        if lengths is None:
            lengths = torch.full((len(waveforms),), num_samples)
        num_frames = int(self.output_lengths(torch.tensor(num_samples)))
        is_mixed = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if is_mixed else waveforms.dtype
        first, *rest = layers
        tensors_of_rest = [layer.tensors() for layer in rest]
        counts = self.output_lengths(lengths).tolist()
        utterances = []
        for waveform, length, count in zip(waveforms, lengths.tolist(), counts, strict=True):
            own = waveform[: max(length, self.receptive_field)]  # at least one frame
            tensors = [first.tensors(own), *tensors_of_rest]
            if is_mixed:
                own = F.pad(own, (0, -len(own) % (MIXED_FRAMES * prod(self.strides))))
            frames = encode_utterance(own, tensors, first.activation, dtype)
            utterances.append(F.pad(frames[:count], (0, 0, 0, num_frames - count)))
        return torch.stack(utterances)

    def _encode(
        self, waveforms: Float[Tensor, "B L"], lengths: Int[Tensor, " B"] | None
    ) -> Float[Tensor, "B T C"]:
        x = waveforms[:, None]  # (B, 1, L)
        for index, layer in enumerate(self.conv_layers):
            if lengths is not None:
                lengths = self._layer_lengths(index, lengths)
            if self.gradient_checkpointing and self.training:
                # Non-reentrant: gradients reach the weights although the waveform has none.
                x = checkpoint(layer, x, lengths, use_reentrant=False)
            else:
                x = layer(x, lengths)
        return x.transpose(1, 2)  # (B, T, C)

    def _encode_singly(
        self, waveforms: Float[Tensor, "B L"], lengths: Int[Tensor, " B"]
    ) -> Float[Tensor, "B T C"]:
        """Encode each utterance's own samples; frames of padding are zero."""
        utterances = []
        for waveform, length in zip(waveforms, lengths.tolist(), strict=True):
            own = waveform[None, : max(length, self.receptive_field)]  # at least one frame
            frames = self._encode_in_blocks(own) if self._is_local else self._encode(own, None)
            utterances.append(frames[0])
        num_frames = int(self.output_lengths(torch.tensor(waveforms.shape[1])))
        out = utterances[0].new_zeros(len(waveforms), num_frames, utterances[0].shape[1])
        counts = self.output_lengths(lengths).tolist()
        for row, utterance, count in zip(out, utterances, counts, strict=True):
            row[:count] = utterance[:count]
        return out

    def _encode_in_blocks(self, waveforms: Float[Tensor, "B L"]) -> Float[Tensor, "B T C"]:
        """Encode some seconds at a time.

        The first convolutions make thousands of vectors a second: a long clip's would take more
        memory than all the rest of the model. A block gets the samples that its frames see.
        """
        num_samples = waveforms.shape[1]
        hop, field = prod(self.strides), self.receptive_field
        num_frames = (num_samples - field) // hop + 1
        blocks = []
        for start in range(0, num_frames, BLOCK_FRAMES):
            stop = min(start + BLOCK_FRAMES, num_frames)
            samples = waveforms[:, start * hop : (stop - 1) * hop + field]
            blocks.append(self._encode(samples, None))
        return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=1)
