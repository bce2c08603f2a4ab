"""The detectors that every task's batches are shown to: losses, outputs, and lengths."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from wav2vec2_conformer.training.health.batch import Batch, describe_batch, find_bad_rows
from wav2vec2_conformer.training.health.finding import Finding
from wav2vec2_conformer.training.health.lengths import find_long_utterances
from wav2vec2_conformer.training.health.loss import find_infinite_loss


@dataclass(frozen=True)
class BatchWatch:
    """Look at the batches of any model.

    Attributes:
        count_frames: Gives frames for lengths of the input.
        max_frames: Range of the model's positions in frames, None for no limit.
        max_duration_s: Limit of clips, None for none.
    """

    count_frames: Callable[[Tensor], Tensor]
    max_frames: int | None = None
    max_duration_s: float | None = None

    def describe(self, inputs: Mapping[str, Any]) -> Batch:
        """Return what the detectors want to know of the inputs of a forward pass."""
        return describe_batch(inputs, self.count_frames)

    def look(
        self, batch: Batch, loss: float, output: Tensor, too_long: Sequence[bool] | None = None
    ) -> dict[str, Finding | None]:
        """Return what each detector says of a batch, None where all is well.

        Args:
            batch: From `describe`.
            loss: Its loss.
            output: What the model makes of it [B, ...].
            too_long: Of each text, whether it needs more frames than there are; None where
                there are no texts.
        """
        return {
            "infinite_loss": find_infinite_loss(
                loss,
                batch.names,
                bad_audio=batch.bad_audio,
                bad_output=find_bad_rows(output),
                too_long=[False] * len(batch.names) if too_long is None else too_long,
            ),
            "length_ceiling": find_long_utterances(
                batch.names,
                batch.num_frames,
                batch.durations_s,
                max_frames=self.max_frames,
                max_duration_s=self.max_duration_s,
            ),
        }
