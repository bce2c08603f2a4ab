"""Simulated rooms: a direct sound, and an exponentially decaying tail of noise.

The tail is the statistical model of Polack 1988, which holds for the late part of a room's
response: white noise under a decay that reaches -60 dB after the reverberation time (RT60).

Shapes used in this file:
    L  samples of the waveform
    R  samples of the response
"""

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import InputError

# exp(-DECAY * t / rt60) is a thousandth, -60 dB, at t = rt60.
_DECAY = np.log(1000.0)
# The first reflection comes so much later than the direct sound: a path longer by 0.7 m.
_GAP_S = 0.002


def draw_room_response(
    rt60_s: float,
    direct_to_reverberant_db: float,
    rng: np.random.Generator,
    sample_rate_hz: int = 16_000,
) -> NDArray[np.float32]:
    """Return the response of a room, beginning with the direct sound.

    Args:
        rt60_s: Time in which the reverberation falls by 60 dB: about 0.2 in a car, 0.5 in a
            living room, 1 in a hall.
        direct_to_reverberant_db: Energy of the direct sound over that of the tail: about 10
            near a microphone, 0 across a room.
        rng: Source of the tail.
        sample_rate_hz: Rate of the response.

    Returns:
        Samples (R,) of energy 1; R is RT60.

    Raises:
        InputError: The time is not positive.
    """
    if not rt60_s > 0:
        raise InputError(f"rt60_s must be positive, got {rt60_s}")
    num_samples = max(2, round(rt60_s * sample_rate_hz))
    start = min(round(_GAP_S * sample_rate_hz), num_samples - 1)
    time_s = np.arange(num_samples - start, dtype=np.float32) / sample_rate_hz
    tail = rng.standard_normal(time_s.size, dtype=np.float32) * np.exp(-_DECAY * time_s / rt60_s)
    tail *= np.sqrt(10 ** (-direct_to_reverberant_db / 10) / np.sum(tail**2))
    response = np.concatenate([np.zeros(start), tail])
    response[0] = 1.0
    return (response / np.sqrt(np.sum(response**2))).astype(np.float32)


def reverberate(
    waveform: NDArray[np.float32], response: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Play a waveform in a room.

    Args:
        waveform: Samples (L,).
        response: Samples (R,), which begin with the direct sound.

    Returns:
        Samples (L,): what is heard stays where it was, and the tail after the end is cut off.
    """
    size = _fast_length(waveform.size + response.size - 1)
    spectrum = np.fft.rfft(waveform, size) * np.fft.rfft(response, size)
    return np.fft.irfft(spectrum, size)[: waveform.size].astype(np.float32)


def _fast_length(num_samples: int) -> int:
    """Return the next length whose Fourier transform is fast: 2, 3 or 5 times a power of 2."""
    return min(factor << max(0, -(-num_samples // factor) - 1).bit_length() for factor in (1, 3, 5))
