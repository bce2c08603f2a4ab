"""Positions of frames: a table of relative sinusoids, and rotation angles.

Papers: Dai et al. 2019, "Transformer-XL", https://arxiv.org/abs/1901.02860, Section 3.3
(relative); Su et al. 2021, "RoFormer", https://arxiv.org/abs/2104.09864 (rotary).

Both are computed in float32 whatever the model's precision, since angles of later frames have
no meaning in 16 bits, and computed anew in each forward pass: nothing here can go stale.

Shapes used in this file:
    B  utterances in the batch
    T  frames
    P  relative positions, 2T - 1
    D  width of the encoder
    H  heads
    K  width of a head
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wav2vec2_conformer.nn.in_place import may_write_over

RELATIVE_BASE = 10_000.0  # fixed in the released models; only the rotary base is configurable


def relative_position_table(
    num_frames: int, dim: int, device: torch.device
) -> Float[Tensor, "P D"]:
    """Return sinusoids of the relative positions T-1, T-2, ..., -(T-1), in float32.

    A position is query frame minus key frame. Sines stand at even columns, cosines at odd.
    """
    positions = torch.arange(num_frames - 1, -num_frames, -1, device=device, dtype=torch.float32)
    steps = torch.arange(0, dim, 2, device=device, dtype=torch.float32)
    frequencies = torch.exp(steps * (-math.log(RELATIVE_BASE) / dim))
    angles = positions[:, None] * frequencies[None, :]
    return torch.stack((angles.sin(), angles.cos()), dim=2).flatten(1)


class RotaryPositions(nn.Module):
    """Angles by which pairs of channels turn from frame to frame.

    `inv_freq` is part of most checkpoints. It stays float32 when the model is cast.

    Args:
        head_dim: Width K of a head. Even.
        base: Base of the geometric series of frequencies.
        persistent: Whether checkpoints of the model hold `inv_freq`.
    """

    inv_freq: Tensor

    def __init__(self, head_dim: int, base: float = 10_000.0, *, persistent: bool = True) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.base = base
        self.register_buffer("inv_freq", self.frequencies(), persistent=persistent)

    def frequencies(self) -> Float[Tensor, " K2"]:
        """Return the K/2 frequencies that the definition gives, in radians per frame."""
        exponents = torch.arange(0, self.head_dim, 2, dtype=torch.float32) / self.head_dim
        return 1.0 / (self.base**exponents)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "RotaryPositions":
        """Follow the module to another device, but never to another precision."""
        before = self.inv_freq
        super()._apply(fn, recurse)
        if self.inv_freq.dtype != torch.float32:
            self.inv_freq = before.to(self.inv_freq.device, torch.float32)
        return self

    @torch.no_grad()
    def restore_rounded_frequencies(self) -> None:
        """Undo the rounding of a file that kept the frequencies in 16 bits.

        Values that are the definition's, rounded, become the definition's again; others were
        meant, and stay.
        """
        exact = self.frequencies().to(self.inv_freq.device)
        for dtype in (torch.float16, torch.bfloat16):
            if torch.equal(self.inv_freq, exact.to(dtype).float()):
                self.inv_freq.copy_(exact)

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        if not self.inv_freq.is_meta:
            self.restore_rounded_frequencies()

    def forward(self, num_frames: int) -> tuple[Float[Tensor, "T K"], Float[Tensor, "T K"]]:
        """Return cosines and sines of all angles, in float32."""
        frames = torch.arange(num_frames, device=self.inv_freq.device, dtype=torch.float32)
        # autocast would compute this product in 16 bits
        angles = frames[:, None] * self.inv_freq.float()[None, :]
        angles = torch.cat((angles, angles), dim=1)
        return angles.cos(), angles.sin()


def rotate(
    x: Float[Tensor, "B T D"],
    cos: Float[Tensor, "T K"],
    sin: Float[Tensor, "T K"],
) -> Float[Tensor, "B T D"]:
    """Rotate each head-sized slice of each frame by the frame's angles.

    Channel k of a slice is paired with channel k + K/2.
    """
    heads = x.unflatten(2, (-1, cos.shape[1]))  # (B, T, H, K)
    first, second = heads.chunk(2, dim=3)
    cos, sin = cos[:, None].to(x.dtype), sin[:, None].to(x.dtype)
    if may_write_over():
        width = first.shape[3]  # the angles of both halves are the same
        cos, sin = cos[..., :width], sin[..., :width]
        out = torch.empty_like(heads)
        out_first, out_second = out.chunk(2, dim=3)
        torch.mul(first, cos, out=out_first).addcmul_(second, sin, value=-1)
        torch.mul(second, cos, out=out_second).addcmul_(first, sin)
        return out.flatten(2)
    turned = torch.cat((-second, first), dim=3)
    return (heads * cos + turned * sin).flatten(2)
