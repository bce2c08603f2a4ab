"""Zero mean and unit variance over a whole utterance.

What `Wav2Vec2FeatureExtractor` of transformers does when `do_normalize` is set, with sums in
float64 so that hours of audio lose no digits.
"""

import math

import numpy as np
from numpy.typing import NDArray

# Keeps silence at zero; the value belongs to the released checkpoints.
_VARIANCE_FLOOR = 1e-7
_BLOCK_SAMPLES = 1 << 20


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
    mean = float(waveform.mean(dtype=np.float64)) if waveform.size else 0.0
    total = 0.0
    for start in range(0, waveform.size, _BLOCK_SAMPLES):
        deviation = waveform[start : start + _BLOCK_SAMPLES].astype(np.float64) - mean
        total += float(np.dot(deviation, deviation))
    scale = math.sqrt(total / max(waveform.size, 1) + _VARIANCE_FLOOR)
    normalized = np.subtract(waveform, np.float32(mean), out=out, dtype=np.float32)
    normalized /= np.float32(scale)
    return normalized
