"""Where in an utterance of one speaker something is said.

For clips of clean speech, whose level alone tells. Recordings of any kind have
`audio.speech_detection`, which keeps wide margins; labels of training data want narrow ones.

Shapes used in this file:
    L  samples
    F  steps of 10 ms
"""

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio.silence import frame_energy

STEP_S = 0.01
# Speech is at most so far below the loudest parts, and so far above the quietest.
_MAX_BELOW_PEAK_DB = 30.0
_MAX_ABOVE_FLOOR_DB = 12.0
_FLOOR_SHARE = 0.3
_PEAK_PERCENTILE = 95
_FLOOR_PERCENTILE = 5
# Stops and short pauses between words belong to speech; clicks do not.
_MAX_GAP_STEPS = 20
_MIN_SPEECH_STEPS = 5


def find_spoken_parts(waveform: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.bool_]:
    """Return whether each step of 10 ms is spoken, shape (F,); all steps where none stands out.

    Args:
        waveform: Samples (L,), at least one step long.
        sample_rate_hz: Their rate.
    """
    step_samples = round(STEP_S * sample_rate_hz)
    levels_db = 10 * np.log10(frame_energy(waveform, step_samples) + 1e-12)
    floor, peak = np.percentile(levels_db, [_FLOOR_PERCENTILE, _PEAK_PERCENTILE])
    margin = min(_FLOOR_SHARE * (peak - floor), _MAX_ABOVE_FLOOR_DB)
    is_spoken = levels_db >= max(floor + margin, peak - _MAX_BELOW_PEAK_DB)
    is_spoken = _drop_runs(is_spoken, value=True, max_steps=_MIN_SPEECH_STEPS - 1)
    if not is_spoken.any():
        return np.ones_like(is_spoken)
    first, last = np.flatnonzero(is_spoken)[[0, -1]]
    inside = is_spoken[first : last + 1]
    is_spoken[first : last + 1] = _drop_runs(inside, value=False, max_steps=_MAX_GAP_STEPS)
    return is_spoken


def _drop_runs(steps: NDArray[np.bool_], *, value: bool, max_steps: int) -> NDArray[np.bool_]:
    """Turn runs of a value around where they are no longer than so many steps."""
    kept = steps.copy()
    edges = np.flatnonzero(np.diff((steps == value).astype(np.int8), prepend=0, append=0))
    for first, end in edges.reshape(-1, 2):
        if end - first <= max_steps:
            kept[first:end] = not value
    return kept
