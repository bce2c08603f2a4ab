"""The detectors of CTC training, fed from batches and outputs."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wav2vec2_conformer.models.ctc import count_frames_needed
from wav2vec2_conformer.training.health.batch_watch import BatchWatch
from wav2vec2_conformer.training.health.blank import AllBlank
from wav2vec2_conformer.training.health.finding import Finding
from wav2vec2_conformer.training.health.loss import find_long_texts
from wav2vec2_conformer.training.health.vocabulary import UnknownTokens


class CtcWatch:
    """Look at the batches of a CTC model.

    Args:
        blank_id: Output that is blank.
        unknown_id: Token that stands for what the vocabulary lacks, None if there is none.
        batches: Looks at what is the same for every task.
        after_updates: Updates before which the plateau at the start is no finding; None for
            the detector's own.
    """

    def __init__(
        self,
        *,
        blank_id: int,
        unknown_id: int | None,
        batches: BatchWatch,
        after_updates: int | None = None,
    ) -> None:
        self._blank_id = blank_id
        self._unknown_id = unknown_id
        self._batches = batches
        self._all_blank = AllBlank() if after_updates is None else AllBlank(after_updates)
        self._unknown_tokens = UnknownTokens()

    @torch.no_grad()
    def look(self, step: int, inputs: Mapping[str, Any], outputs: Any) -> dict[str, Finding | None]:
        """Return what each detector says of a batch, None where all is well.

        Args:
            step: Updates done.
            inputs: Inputs of the forward pass, with `labels` [B, U].
            outputs: Its outputs, `loss` and `logits` [B, T, V].
        """
        batch = self._batches.describe(inputs)
        labels: Tensor = inputs["labels"]
        logits: Tensor = outputs["logits"].detach()
        needed = count_frames_needed(labels).tolist()
        too_long = [n < m for n, m in zip(batch.num_frames, needed, strict=True)]
        found = self._batches.look(batch, float(outputs["loss"]), logits, too_long)
        found["text_too_long"] = find_long_texts(batch.names, batch.num_frames, needed)
        num_labels = int((labels >= 0).sum())
        if self._unknown_id is not None:
            num_unknown = int((labels == self._unknown_id).sum())
            found["unknown_tokens"] = self._unknown_tokens.update(num_labels, num_unknown)
        frames = torch.arange(logits.shape[1], device=logits.device)
        is_valid = frames < torch.tensor(batch.num_frames, device=logits.device)[:, None]
        best = logits.argmax(dim=2)[is_valid]
        is_blank = best == self._blank_id
        found["all_blank"] = self._all_blank.update(
            step,
            float(is_blank.float().mean()),
            best[~is_blank].unique().tolist(),
            len(labels[labels >= 0].unique()),
        )
        return found
