"""The detectors of classification, frame classification and x-vector training."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from wav2vec2_conformer.training.health.batch import describe_batch, find_bad_rows
from wav2vec2_conformer.training.health.contrastive import ChanceLevel
from wav2vec2_conformer.training.health.finding import Finding
from wav2vec2_conformer.training.health.lengths import find_long_utterances
from wav2vec2_conformer.training.health.loss import find_infinite_loss
from wav2vec2_conformer.training.health.vocabulary import SingleClass


class ClassificationWatch:
    """Look at the batches of a model that classifies recordings, speakers or frames.

    Args:
        has_chance_level: Whether the loss is a plain cross entropy over classes, of which
            guessing costs ln(classes). Not so of x-vectors (AM-softmax) and frames.
        count_frames: Gives frames for lengths of the input.
        max_frames: Range of the model's positions in frames, None for no limit.
        max_duration_s: Limit of clips, None for none.
        after_updates: Updates before which a loss at chance level is no finding; None for the
            detector's own.
    """

    def __init__(
        self,
        *,
        has_chance_level: bool,
        count_frames: Callable[[Tensor], Tensor],
        max_frames: int | None = None,
        max_duration_s: float | None = None,
        after_updates: int | None = None,
    ) -> None:
        self._has_chance_level = has_chance_level
        self._count_frames = count_frames
        self._max_frames = max_frames
        self._max_duration_s = max_duration_s
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
        batch = describe_batch(inputs, self._count_frames)
        loss = float(outputs["loss"])
        logits: Tensor = outputs["logits"]
        found: dict[str, Finding | None] = {
            "infinite_loss": find_infinite_loss(
                loss,
                batch.names,
                bad_audio=batch.bad_audio,
                bad_output=find_bad_rows(logits),
                too_long=[False] * len(batch.names),
            ),
            "length_ceiling": find_long_utterances(
                batch.names,
                batch.num_frames,
                batch.durations_s,
                max_frames=self._max_frames,
                max_duration_s=self._max_duration_s,
            ),
        }
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
