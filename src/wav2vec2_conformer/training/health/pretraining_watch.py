"""The detectors of pre-training, fed from batches and outputs."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wav2vec2_conformer.training.health.batch_watch import BatchWatch
from wav2vec2_conformer.training.health.codebook import CodebookCollapse, PerplexityFall
from wav2vec2_conformer.training.health.contrastive import ChanceLevel, EqualNegatives
from wav2vec2_conformer.training.health.finding import Finding


class PretrainingWatch:
    """Look at the batches of a model in pre-training.

    Args:
        num_codebooks: Codebooks of the quantizer.
        num_entries: Entries of each.
        batches: Looks at what is the same for every task.
        after_updates: Updates before which a loss at chance level, or few codes, are no
            finding; None for the detectors' own.
    """

    def __init__(
        self,
        *,
        num_codebooks: int,
        num_entries: int,
        batches: BatchWatch,
        after_updates: int | None = None,
    ) -> None:
        self._num_codebooks = num_codebooks
        self._num_entries = num_entries
        self._batches = batches
        patience = {} if after_updates is None else {"after_updates": after_updates}
        self._chance = ChanceLevel(**patience)
        self._equal = EqualNegatives()
        self._collapse = CodebookCollapse(**patience)
        self._fall = PerplexityFall(**patience)

    @torch.no_grad()
    def look(self, step: int, inputs: Mapping[str, Any], outputs: Any) -> dict[str, Finding | None]:
        """Return what each detector says of a batch, None where all is well.

        Args:
            step: Updates done.
            inputs: Inputs of the forward pass, with `sampled_negative_indices` [B, T, K].
            outputs: Its outputs, those of `Wav2Vec2ConformerForPreTraining` with `counts`.
        """
        batch = self._batches.describe(inputs)
        loss = float(outputs["loss"])
        found = self._batches.look(batch, loss, outputs["projected_states"])
        counts = outputs["counts"]
        if counts is None or not int(counts.num_masked) or not math.isfinite(loss):
            return found
        num_negatives = inputs["sampled_negative_indices"].shape[2]
        contrastive = float(outputs["contrastive_loss"]) / int(counts.num_masked)
        equal_share = int(counts.num_equal) / (int(counts.num_masked) * num_negatives)
        found["equal_negatives"] = self._equal.update(equal_share, contrastive)
        if found["equal_negatives"] is None:
            found["chance_level"] = self._chance.update(
                step,
                contrastive,
                # Negatives that are left out of the loss make guessing cheaper.
                math.log(1 + num_negatives * (1 - equal_share)),
                f"{num_negatives + 1} candidates",
            )
        perplexity = compute_perplexity(counts.code_counts)
        found["codebook_collapse"] = self._collapse.update(
            step, perplexity, self._num_codebooks, self._num_entries
        )
        found["perplexity_fall"] = self._fall.update(step, perplexity, self._num_codebooks)
        return found


def compute_perplexity(counts: Tensor) -> float:
    """Return the effective number of entries in use, summed over codebooks.

    Args:
        counts: How often each entry was chosen, [codebooks, entries].
    """
    shares = counts.double() / counts.sum(dim=1, keepdim=True).clamp(min=1)
    return float(torch.exp(-torch.xlogy(shares, shares).sum(dim=1)).sum())
