"""The detectors of CTC training, fed from batches and outputs."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from wav2vec2_conformer.models.ctc import count_frames_needed
from wav2vec2_conformer.training.health.batch import describe_batch, find_bad_rows
from wav2vec2_conformer.training.health.blank import AllBlank
from wav2vec2_conformer.training.health.finding import Finding
from wav2vec2_conformer.training.health.lengths import find_long_utterances
from wav2vec2_conformer.training.health.loss import find_infinite_loss, find_long_texts
from wav2vec2_conformer.training.health.vocabulary import UnknownTokens


class CtcWatch:
    """Look at the batches of a CTC model.

    Args:
        blank_id: Output that is blank.
        unknown_id: Token that stands for what the vocabulary lacks, None if there is none.
        count_frames: Gives frames for lengths of the input.
        max_frames: Range of the model's positions in frames, None for no limit.
        max_duration_s: Limit of clips, None for none.
        after_updates: Updates before which the plateau at the start is no finding; None for
            the detector's own.
    """

    def __init__(
        self,
        *,
        blank_id: int,
        unknown_id: int | None,
        count_frames: Callable[[Tensor], Tensor],
        max_frames: int | None = None,
        max_duration_s: float | None = None,
        after_updates: int | None = None,
    ) -> None:
        self._blank_id = blank_id
        self._unknown_id = unknown_id
        self._count_frames = count_frames
        self._max_frames = max_frames
        self._max_duration_s = max_duration_s
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
        batch = describe_batch(inputs, self._count_frames)
        labels: Tensor = inputs["labels"]
        logits: Tensor = outputs["logits"].detach()
        needed = count_frames_needed(labels).tolist()
        loss = float(outputs["loss"])
        found: dict[str, Finding | None] = {
            "infinite_loss": find_infinite_loss(
                loss,
                batch.names,
                bad_audio=batch.bad_audio,
                bad_output=find_bad_rows(logits),
                too_long=[n < m for n, m in zip(batch.num_frames, needed, strict=True)],
            ),
            "text_too_long": find_long_texts(batch.names, batch.num_frames, needed),
            "length_ceiling": find_long_utterances(
                batch.names,
                batch.num_frames,
                batch.durations_s,
                max_frames=self._max_frames,
                max_duration_s=self._max_duration_s,
            ),
        }
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
