"""Probabilities of frames to stretches of speech.

Shapes used in this file:
    T  frames
"""

import numpy as np
from numpy.typing import NDArray


def find_runs(
    probs: NDArray[np.float32],
    *,
    onset: float,
    offset: float,
    min_speech_frames: int = 0,
    min_silence_frames: int = 0,
) -> list[tuple[int, int]]:
    """Return stretches of speech as (first frame, frame after the last one), in order.

    Hysteresis: a stretch begins where the probability reaches the onset and goes on until it
    falls below the offset, so that a probability near one threshold does not chop it. Short
    gaps are closed before short stretches are dropped.

    Args:
        probs: Probability of speech, shape (T,).
        onset: Where a stretch begins.
        offset: Below this it ends; at most `onset`.
        min_speech_frames: Shorter stretches are dropped.
        min_silence_frames: Shorter gaps are closed.
    """
    edges = np.flatnonzero(np.diff((probs >= offset).astype(np.int8), prepend=0, append=0))
    runs: list[tuple[int, int]] = []
    for stays, end in edges.reshape(-1, 2).tolist():
        reached = np.flatnonzero(probs[stays:end] >= onset)
        if not reached.size:
            continue
        first = stays + int(reached[0])
        if runs and first - runs[-1][1] < min_silence_frames:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((first, end))
    return [(first, end) for first, end in runs if end - first >= min_speech_frames]
