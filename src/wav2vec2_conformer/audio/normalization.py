"""Zero mean and unit variance over a whole utterance.

What `Wav2Vec2FeatureExtractor` of transformers does when `do_normalize` is set, with sums in
float64 so that hours of audio lose no digits.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

# Keeps silence at zero; the value belongs to the released checkpoints.
_VARIANCE_FLOOR = 1e-7
_BLOCK_SAMPLES = 1 << 20


class WaveformStatistics:
    """Mean and variance of the samples of one utterance, gathered block by block.

    Blocks are joined as in Chan, Golub, LeVeque 1983, "Algorithms for Computing the Sample
    Variance", formula 2.1b.

    Args:
        blocks: Samples of shape (L,), without padding.

    Attributes:
        num_samples: Samples so far.
        mean: Their mean.
    """

    def __init__(self, blocks: Iterable[NDArray[np.float32]] = ()) -> None:
        self.num_samples = 0
        self.mean = 0.0
        self._squares = 0.0  # sum of squared deviations from the mean
        for block in blocks:
            self.add(block)

    def add(self, block: NDArray[np.float32]) -> None:
        """Count a block of samples of shape (L,)."""
        for start in range(0, block.size, _BLOCK_SAMPLES):
            values = block[start : start + _BLOCK_SAMPLES].astype(np.float64)
            mean = float(values.mean())
            values -= mean
            total = self.num_samples + values.size
            step = mean - self.mean
            self._squares += float(np.dot(values, values))
            self._squares += step * step * self.num_samples * values.size / total
            self.mean += step * values.size / total
            self.num_samples = total

    @property
    def scale(self) -> float:
        """What samples are divided by: sqrt(variance + 1e-7)."""
        return math.sqrt(self._squares / max(self.num_samples, 1) + _VARIANCE_FLOOR)

    def normalize(
        self, block: NDArray[np.float32], *, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return (block - mean) / scale.

        Args:
            block: Samples of shape (L,).
            out: Where to write the result, as in numpy; the block itself is allowed. None
                allocates.
        """
        normalized = np.subtract(block, np.float32(self.mean), out=out, dtype=np.float32)
        normalized /= np.float32(self.scale)
        return normalized


def normalize_waveform(
    waveform: NDArray[np.float32], *, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return (waveform - mean) / sqrt(variance + 1e-7).

    Args:
        waveform: Samples of one utterance, shape (L,), without padding.
        out: Where to write the result, as in numpy; the waveform itself is allowed. None
            allocates.

    Returns:
        Samples of the same shape. Silence becomes zeros.
    """
    return WaveformStatistics([waveform]).normalize(waveform, out=out)
