"""Noise: white, pink, or recorded, at a given signal-to-noise ratio.

Shapes used in this file:
    L  samples
"""

import numpy as np
from numpy.typing import NDArray


def draw_white_noise(num_samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return noise (L,) with the same power at every frequency, and variance 1."""
    return rng.standard_normal(num_samples, dtype=np.float32)


def draw_pink_noise(num_samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return noise (L,) whose power falls by 3 dB an octave, and of variance about 1."""
    spectrum = np.fft.rfft(draw_white_noise(num_samples, rng))
    weights = 1 / np.sqrt(np.maximum(np.arange(spectrum.size), 1))
    weights[0] = 0.0
    noise = np.fft.irfft(spectrum * weights, num_samples).astype(np.float32)
    return noise / max(float(noise.std()), 1e-12)


def add_noise(
    waveform: NDArray[np.float32], noise: NDArray[np.float32], snr_db: float
) -> NDArray[np.float32]:
    """Add noise, scaled to a ratio of mean powers over the whole clip.

    Args:
        waveform: Samples (L,).
        noise: Samples of any length: it is cut to (L,), or repeated.
        snr_db: Power of the waveform over power of the noise. What is silent has no ratio:
            a silent waveform, or silent noise, leaves the waveform as it is.

    Returns:
        New samples (L,), or the waveform itself.
    """
    noise = np.resize(noise, waveform.size)
    signal_power, noise_power = mean_power(waveform), mean_power(noise)
    if not signal_power or not noise_power:
        return waveform
    scale = np.sqrt(signal_power / noise_power * 10 ** (-snr_db / 10))
    return waveform + np.float32(scale) * noise


def mean_power(samples: NDArray[np.float32]) -> float:
    """Return the mean square of samples (L,)."""
    return float(np.dot(samples, samples)) / samples.size if samples.size else 0.0
