"""Linear map with weights and inputs of 8 bits, for evaluation on CPUs.

Weights are scaled for each output channel, once; inputs for each frame, whenever they come. Both
scales are symmetric, and products are summed in whole numbers of 32 bits, without rounding. So a
frame's result depends on nothing but that frame: neither on other frames, nor on padding, nor on
the number of threads.

Papers: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", https://arxiv.org/abs/1712.05877, Section 2; Dettmers et al.
2022, "LLM.int8()", https://arxiv.org/abs/2208.07339, Section 2.1 (a scale for each row).

Shapes used in this file:
    N  frames
    D  width of the input
    E  width of the result
"""

import platform
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from jaxtyping import Float, Int8, UInt8
from torch import Tensor, nn

from wav2vec2_conformer.errors import InputError

MAX_LEVEL = 127
# oneDNN's kernels take inputs without sign; those with sign are slow on processors without AMX.
ZERO_POINT = 128
# Frames at a time for each thread: what is made of them stays in a core's own cache.
FRAMES_PER_THREAD = 256
# An all-zero frame has no largest value to divide by.
SMALLEST_PEAK = 1e-30
# Bits of a scale's mantissa that are left out: its products with whole numbers up to 127 are
# then exact, so weights that went through int8 once go through it unchanged ever after.
_MASKED_BITS = 7


class Int8Linear(nn.Module):
    """A linear map in 8 bits, in place of an `nn.Linear` or a convolution of kernel 1.

    The state dict holds `weight` (int8), `weight_scale` and `bias` (float32). They stay in these
    types and on the CPU, also where the rest of the model is cast to another type.

    Args:
        weight: Whole numbers from -127 to 127, shape (E, D).
        weight_scale: What they are multiplied with, for each output channel.
        bias: Added to the result, or None.
    """

    weight_scale: Tensor
    bias: Tensor | None

    def __init__(
        self,
        weight: Int8[Tensor, "E D"],
        weight_scale: Float[Tensor, " E"],
        bias: Float[Tensor, " E"] | None = None,
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.register_buffer("weight_scale", weight_scale.float())
        self.register_buffer("bias", None if bias is None else bias.detach().float())
        self._dtype = torch.float32
        self._pack(weight)

    @classmethod
    def from_float(
        cls, weight: Float[Tensor, "E D"], bias: Float[Tensor, " E"] | None
    ) -> "Int8Linear":
        """Return the map whose weights come closest to the given ones."""
        return cls(*quantize_weight(weight), bias)

    def _pack(self, weight: Int8[Tensor, "E D"]) -> None:
        # Only the kernel's own layout is kept: a second copy would double the memory.
        self._packed = torch.ops.onednn.qlinear_prepack(weight, None)
        self._no_offsets = torch.zeros(self.out_features, dtype=torch.long)

    def int8_weight(self) -> Int8[Tensor, "E D"]:
        """Return a copy of the weights as whole numbers."""
        return self._packed.to_dense().T.contiguous()

    @property
    def weight(self) -> Float[Tensor, "E D"]:
        """The weights as they count, in the model's type: computed whenever they are asked for."""
        return dequantize_weight(self.int8_weight(), self.weight_scale).to(self._dtype)

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B E"]:
        """Map frames; the result has their floating type.

        Raises:
            InputError: A gradient is asked for.
        """
        if torch.is_grad_enabled() and x.requires_grad:
            raise InputError(
                "an int8 model computes no gradients. Load it with compute_type='float32' to "
                "train it or to look at gradients"
            )
        frames = x.reshape(-1, self.in_features)
        out = torch.empty(len(frames), self.out_features)
        at_once = FRAMES_PER_THREAD * torch.get_num_threads()
        if len(frames):
            for part, result in zip(frames.split(at_once), out.split(at_once), strict=True):
                self._map(part.float(), result)
        return out.view(*x.shape[:-1], self.out_features).to(x.dtype)

    def _map(self, frames: Float[Tensor, "N D"], out: Float[Tensor, "N E"]) -> None:
        levels, scale = quantize_frames(frames)
        products = torch.ops.onednn.qlinear_pointwise(
            levels, 1.0, ZERO_POINT, self._packed, self.weight_scale, self._no_offsets, None,
            1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        if self.bias is None:
            torch.mul(products, scale, out=out)
        else:
            torch.addcmul(self.bias, products, scale, out=out)

    def train(self, mode: bool = True) -> "Int8Linear":
        """Refuse training mode.

        Raises:
            InputError: `mode` is True.
        """
        if mode:
            raise InputError(
                "an int8 model cannot be trained. Load it with compute_type='float32', train it, "
                "and convert the result"
            )
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Int8Linear":  # noqa: ARG002 - torch's signature
        """Keep the buffers' types under casts; refuse to leave the CPU.

        Raises:
            InputError: The model is moved to another device.
        """
        changed = fn(torch.empty(0, dtype=self._dtype))
        if changed.device.type != "cpu":
            raise InputError(
                f"an int8 model runs on the CPU only, and was to be moved to {changed.device}. "
                "Load it with compute_type='bfloat16' or 'float16' for a GPU"
            )
        self._dtype = changed.dtype
        return self

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        destination[f"{prefix}weight"] = self.int8_weight()
        super()._save_to_state_dict(destination, prefix, keep_vars)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        name = f"{prefix}weight"
        weight = state_dict.pop(name, None)
        expected = (self.out_features, self.in_features)
        if weight is None:
            missing_keys.append(name)
        elif weight.dtype != torch.int8 or tuple(weight.shape) != expected:
            error_msgs.append(
                f"{name} must be int8 of shape {expected}, but is "
                f"{str(weight.dtype).removeprefix('torch.')} of shape {tuple(weight.shape)}."
            )
        else:
            self._pack(weight)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )

    def __getstate__(self) -> dict[str, Any]:
        """Replace the packed weights, which torch can neither copy nor pickle."""
        return {**super().__getstate__(), "_packed": self.int8_weight()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Pack the weights again."""
        super().__setstate__(state)
        self._pack(state["_packed"])

    def extra_repr(self) -> str:
        """Describe the map as `nn.Linear` does."""
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"


def quantize_weight(
    weight: Float[Tensor, "E D"],
) -> tuple[Int8[Tensor, "E D"], Float[Tensor, " E"]]:
    """Return whole numbers from -127 to 127, and the scale of each output channel."""
    weight = weight.detach().float()
    scale = weight.abs().amax(dim=1).clamp_min(SMALLEST_PEAK) / MAX_LEVEL
    half, mask = 1 << (_MASKED_BITS - 1), -1 << _MASKED_BITS
    scale = ((scale.view(torch.int32) + half) & mask).view(torch.float32)
    levels = (weight / scale[:, None]).round_().clamp_(-MAX_LEVEL, MAX_LEVEL)
    return levels.to(torch.int8), scale


def dequantize_weight(
    weight: Int8[Tensor, "E D"], scale: Float[Tensor, " E"]
) -> Float[Tensor, "E D"]:
    """Return the weights that whole numbers stand for."""
    return weight.float().mul_(scale[:, None])


def quantize_frames(
    frames: Float[Tensor, "N D"],
) -> tuple[UInt8[Tensor, "N D"], Float[Tensor, "N 1"]]:
    """Return whole numbers from 1 to 255, where 128 is zero, and the scale of each frame."""
    peak = torch.maximum(frames.amax(dim=1, keepdim=True), -frames.amin(dim=1, keepdim=True))
    peak.clamp_min_(SMALLEST_PEAK)
    # The half makes a rounding of what follows, which cuts off.
    middle = torch.tensor(ZERO_POINT + 0.5)
    return torch.addcmul(middle, frames, MAX_LEVEL / peak).to(torch.uint8), peak / MAX_LEVEL


@cache
def has_int8_products() -> bool:
    """Return whether this processor multiplies whole numbers of 8 bits fast and without loss.

    x86 processors without VNNI add pairs of products in 16 bits, where large ones are cut off.
    Other architectures are not supported: torch has no fast kernels for them, or none that were
    tried.
    """
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return False
    width = 64
    weight = torch.full((width, width), MAX_LEVEL, dtype=torch.int8)
    weight[::2] = -MAX_LEVEL
    linear = Int8Linear(weight, torch.ones(width))
    largest = torch.full((1, width), float(MAX_LEVEL))
    expected = width * MAX_LEVEL**2
    with torch.no_grad():
        return bool((linear(largest).abs() == expected).all())
