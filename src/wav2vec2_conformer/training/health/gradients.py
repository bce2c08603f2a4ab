"""Gradients that are not finite, jump, are zero, or are missing."""

import math
from collections import deque
from collections.abc import Sequence
from statistics import median

from wav2vec2_conformer.training.health.finding import Finding


def find_not_finite(norm: float, culprits: Sequence[str] = ()) -> Finding | None:
    """Find a gradient that would destroy the weights.

    Args:
        norm: Norm of the gradient of all parameters.
        culprits: Utterances of the update whose loss is not finite.
    """
    if math.isfinite(norm):
        return None
    return Finding(
        detector="gradient_not_finite",
        what=f"the norm of the gradient is {norm}: the update puts NaN into every weight",
        cause="an infinite loss, an overflow in half precision, or a division by zero",
        remedy=(
            "look at the utterances named for infinite_loss; lower the learning rate; train in "
            "bf16 or float32"
        ),
        utterances=tuple(culprits),
    )


class LeftOutUpdates:
    """Find that several processes leave out one update after the other.

    They leave out an update that is not finite (`distributed_skipping.py`), which is harmless
    now and then. When it does not end, nothing is learnt any more.

    Args:
        updates: So many in a row.
    """

    def __init__(self, updates: int = 10) -> None:
        self._updates = updates
        self._count = 0
        self._culprits: dict[str, None] = {}  # a set that keeps the order

    def update(self, *, is_left_out: bool, culprits: Sequence[str] = ()) -> Finding | None:
        """Take an update.

        Args:
            is_left_out: Whether it is left out.
            culprits: Its utterances in this process whose loss is not finite.
        """
        if not is_left_out:
            self._count = 0
            self._culprits.clear()
            return None
        self._count += 1
        self._culprits |= dict.fromkeys(culprits)
        if self._count < self._updates:
            return None
        return Finding(
            detector="gradient_not_finite",
            what=(
                f"the last {self._count} updates were left out, each because loss or gradient was "
                "not finite in a process: nothing is learnt any more"
            ),
            cause=(
                "weights so large that every batch overflows, audio or texts whose loss is "
                "infinite in many batches, or a process whose device computes NaN"
            ),
            remedy=(
                "see which processes the log names, and look at the utterances named for "
                "infinite_loss; lower the learning rate; train in bf16 or float32"
            ),
            utterances=tuple(self._culprits),
        )


class GradientSpike:
    """Find a gradient many times larger than those before it.

    Args:
        times: So many times the median of the window.
        window: Norms that are remembered; the first tenth must be there.
    """

    def __init__(self, times: float = 20.0, window: int = 100) -> None:
        self._times = times
        self._norms: deque[float] = deque(maxlen=window)

    def update(self, norm: float, max_grad_norm: float) -> Finding | None:
        """Take a norm.

        Args:
            norm: Norm of the gradient before clipping.
            max_grad_norm: What it is clipped to, 0 for no clipping.
        """
        if not math.isfinite(norm):
            return None
        known = len(self._norms) >= max(1, (self._norms.maxlen or 0) // 10)
        usual = median(self._norms) if known else math.inf
        self._norms.append(norm)
        if norm <= self._times * usual or norm <= max_grad_norm:
            return None
        clipping = f"it was clipped to {max_grad_norm:g}" if max_grad_norm else "it was not clipped"
        return Finding(
            detector="gradient_spike",
            what=f"the gradient's norm is {norm:.3g}, usually {usual:.3g}; {clipping}",
            cause="a strange batch (wrong text, noise), or a learning rate at the edge",
            remedy=(
                "one is harmless when clipped; if they come often, lower the learning rate or "
                "max_grad_norm, and check the data"
            ),
        )


class ZeroGradient:
    """Find gradients that are zero several times in a row.

    Args:
        updates: So many in a row.
        limit: Norms at or below it count as zero.
    """

    def __init__(self, updates: int = 20, limit: float = 1e-10) -> None:
        self._updates = updates
        self._limit = limit
        self._count = 0

    def update(self, norm: float) -> Finding | None:
        """Take the norm of the gradient of all parameters."""
        self._count = self._count + 1 if norm <= self._limit else 0
        if self._count < self._updates:
            return None
        return Finding(
            detector="gradient_zero",
            what=f"the gradient has been zero for {self._count} updates: nothing changes",
            cause=(
                "a loss that does not depend on the weights: everything frozen, all texts too "
                "long for their audio (their loss counts as 0), or a collapsed codebook"
            ),
            remedy=(
                "see what else the monitor says; check which parameters are frozen "
                "(freeze flags, head-only steps)"
            ),
        )
