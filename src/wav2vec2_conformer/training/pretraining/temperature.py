"""Temperature of the Gumbel softmax over a run.

Paper: wav2vec 2.0, https://arxiv.org/abs/2006.11477, Section 4.2: from 2, times 0.999995 each
update, to 0.5 (base) or 0.1 (large).
"""

from dataclasses import dataclass
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.models.pretraining import Wav2Vec2ConformerForPreTraining


@dataclass(frozen=True)
class TemperatureSchedule:
    """Temperature as a function of updates.

    Attributes:
        maximum: Temperature of the first update.
        minimum: It never falls below this.
        decay: Factor from one update to the next.

    Raises:
        InputError: A value is out of range.
    """

    maximum: float = 2.0
    minimum: float = 0.5
    decay: float = 0.999995

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.minimum <= self.maximum:
            raise InputError(
                "the Gumbel temperatures must be positive, and the minimum at most the maximum; "
                f"got min_gumbel_temperature={self.minimum}, max_gumbel_temperature={self.maximum}"
            )
        if not 0 < self.decay <= 1:
            raise InputError(
                f"gumbel_temperature_decay must be above 0 and at most 1, got {self.decay}"
            )

    def __call__(self, num_updates: int) -> float:
        """Return the temperature of the update that follows `num_updates` others."""
        return max(self.maximum * self.decay**num_updates, self.minimum)


class GumbelTemperature(TrainerCallback):
    """Set the temperature before each update.

    It depends on updates, not on forward passes: accumulation, recomputation and evaluation do
    not change it, and a resumed run goes on with the one that it had.

    Args:
        model: The model whose quantizer it is for.
        schedule: Temperature as a function of updates.
    """

    def __init__(
        self, model: Wav2Vec2ConformerForPreTraining, schedule: TemperatureSchedule
    ) -> None:
        self._model = model
        self._schedule = schedule

    def on_step_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Set it for the update that begins."""
        self._model.set_gumbel_temperature(self._schedule(state.global_step))
