"""Other voices: one of them over the utterance, or many as babble.

Shapes used in this file:
    L  samples
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.data.noise import mean_power


def mix_voices(
    waveform: NDArray[np.float32], other: NDArray[np.float32], ratio_db: float, start: int
) -> NDArray[np.float32]:
    """Lay a second utterance over a part of the first.

    Args:
        waveform: Samples (L,).
        other: Samples of the second one; what goes beyond the end is cut off.
        ratio_db: Power of the first over power of the second, each over its own length.
        start: Where the second begins, 0 to L.

    Returns:
        New samples (L,).
    """
    mixed = waveform.copy()
    power, other_power = mean_power(waveform), mean_power(other)
    if power and other_power:
        overlap = other[: waveform.size - start]
        scale = np.sqrt(power / other_power * 10 ** (-ratio_db / 10))
        mixed[start : start + overlap.size] += np.float32(scale) * overlap
    return mixed


def build_babble(
    voices: Sequence[NDArray[np.float32]], num_samples: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Sum voices at the same power, each repeated from a random place on.

    Args:
        voices: Samples of each; silent ones do not count.
        num_samples: Length L of the result.
        rng: Source of the places.
    """
    babble = np.zeros(num_samples, dtype=np.float32)
    for voice in voices:
        power = mean_power(voice)
        if power:
            turned = np.roll(voice, -int(rng.integers(voice.size)))
            babble += np.resize(turned, num_samples) / np.float32(np.sqrt(power))
    return babble
