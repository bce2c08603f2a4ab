"""Batch norms whose running statistics are far from those of the batches."""

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from wav2vec2_conformer.training.health.finding import Finding


@dataclass(frozen=True, slots=True)
class Drift:
    """Distance of running from batch statistics, averaged over the channels of a norm.

    Attributes:
        name: Name of the module.
        mean_shift: Difference of the means, in standard deviations of the running statistics.
        variance_ratio: Larger variance over smaller, at least 1.
    """

    name: str
    mean_shift: float
    variance_ratio: float


class BatchNormDrift:
    """Find a batch norm that normalises differently in evaluation than in training.

    Args:
        measurements: Measurements that are averaged.
        mean_shift: See `Drift`; above it is too far.
        variance_ratio: The same.
    """

    def __init__(
        self, measurements: int = 3, mean_shift: float = 1.0, variance_ratio: float = 4.0
    ) -> None:
        self._worst: deque[Drift] = deque(maxlen=measurements)
        self._mean_shift = mean_shift
        self._variance_ratio = variance_ratio

    def update(self, drifts: list[Drift]) -> Finding | None:
        """Take one measurement of all batch norms of a model.

        One of a batch that holds NaN or infinity tells nothing and does not count.
        """
        if not drifts or not all(math.isfinite(self._badness(drift)) for drift in drifts):
            return None
        self._worst.append(max(drifts, key=self._badness))
        if len(self._worst) < (self._worst.maxlen or 0):
            return None
        # All of them must be bad: a single strange batch is none of the norm's fault.
        mildest = min(self._worst, key=self._badness)
        if self._badness(mildest) < 1:
            return None
        return Finding(
            detector="batch_norm_drift",
            what=(
                f"{mildest.name}: running statistics are {mildest.mean_shift:.1f} standard "
                f"deviations and a factor of {mildest.variance_ratio:.1f} in variance from those "
                "of the batch, so evaluation computes something else than training"
            ),
            cause=(
                "weights that change faster than the running average follows (too high a "
                "learning rate, or too small a momentum), very small batches, or audio unlike "
                "that of the checkpoint"
            ),
            remedy=(
                "lower the learning rate or put more seconds of audio into a batch; compare "
                "training with validation loss; when fine-tuning on little data, freeze the "
                "statistics"
            ),
        )

    def _badness(self, drift: Drift) -> float:
        return max(drift.mean_shift / self._mean_shift, drift.variance_ratio / self._variance_ratio)


@contextmanager
def measured_drifts(model: nn.Module) -> Iterator[list[Drift]]:
    """Measure each batch norm at its next forward pass in training mode.

    Args:
        model: The model.

    Yields:
        A list that the forward pass fills; a norm's running statistics are those before it.
    """
    drifts: list[Drift] = []
    handles = [
        module.register_forward_pre_hook(_measure_into(drifts, name), with_kwargs=True)
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    ]
    try:
        yield drifts
    finally:
        for handle in handles:
            handle.remove()


def _measure_into(
    drifts: list[Drift], name: str
) -> Callable[[Any, tuple[Any, ...], dict[str, Any]], None]:
    @torch.no_grad()
    def measure(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not module.training or any(drift.name == name for drift in drifts):
            return  # evaluation, or the second pass of gradient checkpointing
        given = dict(zip(("x", "padding_mask"), args, strict=False)) | kwargs
        x: Tensor = next(
            given[name] for name in ("x", "input") if name in given
        ).float()  # (B, C, T)
        padding_mask = given.get("padding_mask")
        frames = x.transpose(1, 2)  # (B, T, C)
        frames = frames.flatten(0, 1) if padding_mask is None else frames[~padding_mask]
        if len(frames) < 2:  # noqa: PLR2004 - one frame has no variance
            return
        running_std = (module.running_var.float() + module.eps).sqrt()
        shift = ((frames.mean(dim=0) - module.running_mean).abs() / running_std).mean()
        ratio = (frames.var(dim=0) + module.eps) / running_std.square()
        drifts.append(Drift(name, float(shift), float(ratio.log().abs().mean().exp())))

    return measure
