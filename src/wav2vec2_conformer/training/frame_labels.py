"""Turns of a recording as targets of its frames, whatever augmentation does to its length.

Shapes used in this file:
    B  recordings in the batch
    N  turns of a recording
    T  frames of the longest
    S  outputs: speakers, or labels
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from wav2vec2_conformer.data.collation import LABEL_PADDING, Labels
from wav2vec2_conformer.data.speaker_turns import SpeakerTurn, label_frames

SAMPLE_RATE_HZ = 16_000


def encode_turns(
    turns: Iterable[SpeakerTurn], columns: Sequence[int], duration_s: float
) -> npt.NDArray[np.float32]:
    """Return a row for each turn: start and end as parts of the recording, and its column.

    As parts, because a change of speed in training moves what is said when.

    Args:
        turns: Of a recording, N of them.
        columns: The output of each turn, N numbers.
        duration_s: Length of the recording.

    Returns:
        Shape (N, 3).
    """
    rows = [
        (turn.start_s / duration_s, turn.end_s / duration_s, column)
        for turn, column in zip(turns, columns, strict=True)
    ]
    return np.array(rows, dtype=np.float32).reshape(-1, 3)


@dataclass(frozen=True)
class FrameLabels:
    """Make labels of frames of the rows of `encode_turns`; a function of a collator.

    Attributes:
        num_outputs: S.
        kernels: Widths of the feature encoder's convolutions.
        strides: Their strides.
    """

    num_outputs: int
    kernels: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def frame_s(self) -> float:
        """Seconds from one frame to the next."""
        return prod(self.strides) / SAMPLE_RATE_HZ

    def __call__(
        self, targets: Sequence[Labels], num_samples: Sequence[int], num_padded: int
    ) -> Labels:
        """Return zeros and ones (B, T, S) int64, -100 where a recording has no frame any more.

        Args:
            targets: Rows of each recording.
            num_samples: Samples of each recording, after augmentation.
            num_padded: Samples that they are padded to.
        """
        counts = [self.count_frames(length) for length in num_samples]
        shape = (len(targets), self.count_frames(num_padded), self.num_outputs)
        labels = np.full(shape, LABEL_PADDING, dtype=np.int64)
        names = [str(column) for column in range(self.num_outputs)]
        for row, (turns, length, count) in enumerate(
            zip(targets, num_samples, counts, strict=True)
        ):
            duration_s = length / SAMPLE_RATE_HZ
            labels[row, :count] = label_frames(
                [
                    SpeakerTurn(start * duration_s, end * duration_s, str(int(column)))
                    for start, end, column in turns.reshape(-1, 3).tolist()
                ],
                names,
                num_frames=count,
                frame_s=self.frame_s,
            )
        return labels

    def count_frames(self, num_samples: int) -> int:
        """Return the frames of so many samples."""
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            num_samples = max(0, (num_samples - kernel) // stride + 1)
        return num_samples
