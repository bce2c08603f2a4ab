"""The detectors of gradients, learning rate and loss scale, fed once an update."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from wav2vec2_conformer.training.health.finding import Finding
from wav2vec2_conformer.training.health.gradients import (
    GradientSpike,
    LeftOutUpdates,
    ZeroGradient,
    find_not_finite,
)
from wav2vec2_conformer.training.health.learning_rate import ZeroLearningRate
from wav2vec2_conformer.training.health.loss_scale import LossScaleFloor


class UpdateWatch:
    """Look at each update of the optimizer, whatever the task."""

    def __init__(self) -> None:
        self._left_out = LeftOutUpdates()
        self._spike = GradientSpike()
        self._zero_gradient = ZeroGradient()
        self._zero_rate = ZeroLearningRate()
        self._loss_scale = LossScaleFloor()

    def look_at_gradient(
        self, parameters: Iterable[nn.Parameter], optimizer: Any, culprits: Sequence[str] = ()
    ) -> dict[str, Finding | None]:
        """Return what the detectors say of the gradient that is about to be applied.

        Args:
            parameters: Of the model. None has a gradient where several processes leave an update
                out.
            optimizer: The optimizer, of torch or accelerate.
            culprits: Utterances of the update whose loss is not finite.
        """
        norm = measure_norm(parameters)
        left_out = self._left_out.update(is_left_out=norm is None, culprits=culprits)
        if norm is None:
            return {"gradient_not_finite": left_out}
        found: dict[str, Finding | None] = {}
        # fp16 meets infinite gradients by design, leaves those updates out and halves its scale.
        if getattr(optimizer, "scaler", None) is None:
            found["gradient_not_finite"] = find_not_finite(norm, culprits)
        if math.isfinite(norm):
            found["gradient_zero"] = self._zero_gradient.update(norm)
        return found

    def look_at_update(self, optimizer: Any) -> dict[str, Finding | None]:
        """Return what the detectors say of learning rate and loss scale after an update."""
        rate = max(float(group["lr"]) for group in optimizer.param_groups)
        found = {"learning_rate_zero": self._zero_rate.update(rate)}
        scaler = getattr(optimizer, "scaler", None)
        if scaler is not None:
            found["loss_scale_floor"] = self._loss_scale.update(float(scaler.get_scale()))
        return found

    def look_at_norm(self, norm: float, max_grad_norm: float) -> dict[str, Finding | None]:
        """Return what the detectors say of the norm in a log line, from before clipping."""
        return {"gradient_spike": self._spike.update(norm, max_grad_norm)}


@torch.no_grad()
def measure_norm(parameters: Iterable[nn.Parameter]) -> float | None:
    """Return the norm of all gradients together, NaN or infinite if one is; None without any."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    local = [g.to_local() if hasattr(g, "to_local") else g for g in gradients]
    return float(torch.nn.utils.get_total_norm(local)) if local else None
