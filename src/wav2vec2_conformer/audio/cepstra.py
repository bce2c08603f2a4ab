"""Cepstral coefficients of the mel spectrum (MFCC): what a model's features have to beat.

Paper: Davis and Mermelstein 1980, "Comparison of parametric representations for monosyllabic word
recognition in continuously spoken sentences", IEEE Transactions on Acoustics 28(4). Frames of
25 ms every 10 ms, 40 mel bands, coefficients 0 to 19.

Shapes used in this file:
    L  samples
    T  frames
"""

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import AudioError

_FRAME_S, _HOP_S = 0.025, 0.01
_NUM_MELS, NUM_CEPSTRA = 40, 20
_FLOOR = 1e-10


def compute_cepstra(
    waveform: NDArray[np.float32], sample_rate_hz: int = 16_000
) -> NDArray[np.float64]:
    """Return the coefficients of each frame, shape (T, 20).

    Args:
        waveform: Samples, shape (L,).
        sample_rate_hz: Their rate.

    Raises:
        AudioError: When they are fewer than a frame.
    """
    width, hop = round(_FRAME_S * sample_rate_hz), round(_HOP_S * sample_rate_hz)
    if len(waveform) < width:
        raise AudioError(
            f"the audio is {len(waveform) / sample_rate_hz:.3f} s long, shorter than a frame of "
            f"{_FRAME_S:g} s."
        )
    frames = np.lib.stride_tricks.sliding_window_view(waveform, width)[::hop]
    num_points = 1 << (width - 1).bit_length()
    power = np.abs(np.fft.rfft(frames * np.hamming(width), num_points)) ** 2
    mel = np.linspace(0, 2595 * np.log10(1 + sample_rate_hz / 2 / 700), _NUM_MELS + 2)
    edges_hz = 700 * (10 ** (mel / 2595) - 1)
    hz = np.linspace(0, sample_rate_hz / 2, power.shape[1])
    bands = np.array(
        [np.interp(hz, edges_hz[i : i + 3], [0.0, 1.0, 0.0]) for i in range(_NUM_MELS)]
    )
    log_mels = np.log(power @ bands.T + _FLOOR)
    angles = np.pi / _NUM_MELS * np.outer(np.arange(NUM_CEPSTRA), np.arange(_NUM_MELS) + 0.5)
    cepstra: NDArray[np.float64] = log_mels @ np.cos(angles).T
    return cepstra


def summarize_cepstra(
    waveform: NDArray[np.float32], sample_rate_hz: int = 16_000
) -> NDArray[np.float64]:
    """Return mean and deviation of the coefficients over a recording, shape (40,).

    Args:
        waveform: Samples, shape (L,).
        sample_rate_hz: Their rate.

    Raises:
        AudioError: As `compute_cepstra`.
    """
    cepstra = compute_cepstra(waveform, sample_rate_hz)
    return np.concatenate((cepstra.mean(axis=0), cepstra.std(axis=0)))
