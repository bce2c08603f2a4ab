"""What is told of a pre-training run: sums over batches, and the measures they give."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wav2vec2_conformer.models.pretraining import Wav2Vec2ConformerForPreTrainingOutput


class PretrainingSums:
    """Sums over batches, from which the measures follow exactly, however batches were cut.

    It is also an observer of `SpeechTrainer`.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Any] = {}

    def __call__(
        self, inputs: Mapping[str, Any], outputs: Wav2Vec2ConformerForPreTrainingOutput
    ) -> None:
        """Add a batch. The model was called with `output_counts=True`.

        Args:
            inputs: Of the model; not used.
            outputs: Of the model.
        """
        del inputs
        named = dict(outputs.counts._asdict()) if outputs.counts is not None else {}
        named["contrastive_loss"] = outputs.contrastive_loss
        named["diversity_loss"] = outputs.diversity_loss
        named["feature_penalty"] = outputs.feature_penalty
        for name, value in named.items():
            if value is not None:
                self._sums[name] = self._sums.get(name, 0) + value.detach()

    def take(self) -> dict[str, Tensor]:
        """Return the sums by name, none if nothing was added, and begin anew."""
        sums, self._sums = self._sums, {}
        return sums


def compute_measures(sums: Mapping[str, Tensor], num_distractors: int) -> dict[str, float]:
    """Return what the sums tell.

    Args:
        sums: Of `PretrainingSums`, added up over processes.
        num_distractors: Distractors of a masked frame.

    Returns:
        Of masked frames: `contrastive_loss` in nats (chance: ln of distractors + 1),
        `accuracy` (chance: 1 / (distractors + 1)), `diversity_loss`, `feature_penalty` if there
        is one, `equal_distractors` (share of distractors left out because they equal the
        target), `code_perplexity_1`, ... (entries in use of each codebook). Of all frames:
        `masked_share`.
    """
    num_masked = max(float(sums["num_masked"]), 1.0)
    measures = {
        name: float(sums[name]) / num_masked
        for name in ("contrastive_loss", "diversity_loss", "feature_penalty")
        if name in sums
    }
    measures["accuracy"] = float(sums["num_correct"]) / num_masked
    measures["equal_distractors"] = float(sums["num_equal"]) / (num_masked * num_distractors)
    for number, perplexity in enumerate(_perplexities(sums["code_counts"]), start=1):
        measures[f"code_perplexity_{number}"] = perplexity
    measures["masked_share"] = float(sums["num_masked"]) / max(float(sums["num_frames"]), 1.0)
    return measures


def describe_measures(measures: Mapping[str, float], num_distractors: int, prefix: str = "") -> str:
    """Return the measures as one line for people.

    Args:
        measures: Of `compute_measures`.
        num_distractors: Distractors of a masked frame.
        prefix: What their names begin with.
    """
    perplexities: list[str] = []
    while (name := f"{prefix}code_perplexity_{len(perplexities) + 1}") in measures:
        perplexities.append(f"{measures[name]:.1f}")
    return (
        f"contrastive {measures[f'{prefix}contrastive_loss']:.3f} "
        f"(chance {math.log(num_distractors + 1):.3f})  "
        f"accuracy {100 * measures[f'{prefix}accuracy']:.1f} % "
        f"(chance {100 / (num_distractors + 1):.1f} %)  "
        f"code perplexity {' + '.join(perplexities)}"
    )


def _perplexities(counts: Tensor) -> list[float]:
    """Return exp(entropy) of the choices of each codebook, from counts [G, E]."""
    shares = counts.double() / counts.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.exp(-torch.xlogy(shares, shares).sum(dim=1)).tolist()
