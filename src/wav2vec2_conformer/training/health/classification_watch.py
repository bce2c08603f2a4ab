"""The detectors of classification, frame classification and x-vector training."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wav2vec2_conformer.training.health.batch_watch import BatchWatch
from wav2vec2_conformer.training.health.contrastive import ChanceLevel
from wav2vec2_conformer.training.health.finding import Finding
from wav2vec2_conformer.training.health.vocabulary import SingleClass


class ClassificationWatch:
    """Look at the batches of a model that classifies recordings, speakers or frames.

    Args:
        has_chance_level: Whether the loss is a plain cross entropy over classes, of which
            guessing costs ln(classes). Not so of x-vectors (AM-softmax) and frames.
        batches: Looks at what is the same for every task.
        after_updates: Updates before which a loss at chance level is no finding; None for the
            detector's own.
    """

    def __init__(
        self,
        *,
        has_chance_level: bool,
        batches: BatchWatch,
        after_updates: int | None = None,
    ) -> None:
        self._has_chance_level = has_chance_level
        self._batches = batches
        self._chance = ChanceLevel() if after_updates is None else ChanceLevel(after_updates)
        self._single_class = SingleClass()

    @torch.no_grad()
    def look(self, step: int, inputs: Mapping[str, Any], outputs: Any) -> dict[str, Finding | None]:
        """Return what each detector says of a batch, None where all is well.

        Args:
            step: Updates done.
            inputs: Inputs of the forward pass, with `labels`.
            outputs: Its outputs, `loss` and `logits` [B, ...].
        """
        batch = self._batches.describe(inputs)
        loss = float(outputs["loss"])
        logits: Tensor = outputs["logits"]
        found = self._batches.look(batch, loss, logits)
        labels: Tensor = inputs["labels"]
        num_classes = logits.shape[-1]
        # One class a recording; several labels or numbers have another shape or dtype.
        if labels.dim() == 1 and not labels.is_floating_point() and num_classes > 1:
            found["single_class"] = self._single_class.update(labels.tolist(), num_classes)
            if self._has_chance_level:
                found["chance_level"] = self._chance.update(
                    step, loss, math.log(num_classes), f"{num_classes} classes"
                )
        return found
