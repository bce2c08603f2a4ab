"""Speech by its energy: frames that are louder than the noise around them.

The noise floor of a moment is a low percentile of the frames' levels within 15 seconds on
either side, so it follows a recording whose noise changes, and a recording that starts in the
middle of a word is no special case.

Shapes used in this file:
    L  samples
    T  frames of 20 ms
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio.samples import SampleReader
from wav2vec2_conformer.audio.silence import frame_energy

FRAME_S = 0.02
_STEP_FRAMES = 50  # the floor is looked up once a second
_REACH_FRAMES = 750
_FLOOR_PERCENTILE = 10
_PEAK_PERCENTILE = 95
# Speech is at least so many dB above the floor. Steady noise stays below that; a wide range of
# levels (clear speech) asks for more.
_MIN_MARGIN_DB = 5.0
_MAX_MARGIN_DB = 12.0
_MARGIN_SHARE = 0.3
# Full scale is 0 dB. What is below is silence in every recording: the last bit of 16.
_SILENCE_DB = -85.0


def iter_energy_scores(
    blocks: Iterable[NDArray[np.float32]], sample_rate_hz: int
) -> Iterator[NDArray[np.float64]]:
    """Yield how far frames of 20 ms rise above the noise floor.

    Args:
        blocks: Samples of shape (L,).
        sample_rate_hz: Their rate.

    Yields:
        Scores of shape (T,): 1 is as loud as speech must be, 0 is as the floor.
    """
    before = np.empty(0)  # levels before the step
    after = np.empty(0)  # levels of the step and after it
    levels = _iter_levels(blocks, round(FRAME_S * sample_rate_hz))
    is_open = True
    while is_open or after.size:
        while is_open and after.size < _STEP_FRAMES + _REACH_FRAMES:
            more = next(levels, None)
            is_open = more is not None
            if more is not None:
                after = np.concatenate([after, more])
        step = after[:_STEP_FRAMES]
        if step.size:
            around = np.concatenate([before, after[: _STEP_FRAMES + _REACH_FRAMES]])
            floor, peak = np.percentile(around, [_FLOOR_PERCENTILE, _PEAK_PERCENTILE])
            margin = np.clip(_MARGIN_SHARE * (peak - floor), _MIN_MARGIN_DB, _MAX_MARGIN_DB)
            yield (step - floor) / margin
        before = np.concatenate([before, step])[-_REACH_FRAMES:]
        after = after[_STEP_FRAMES:]


def _iter_levels(
    blocks: Iterable[NDArray[np.float32]], frame_samples: int
) -> Iterator[NDArray[np.float64]]:
    """Yield the levels of frames in dB; the rest below a frame at the end has none."""
    reader = SampleReader(blocks)
    num_samples = 64 * frame_samples
    while (samples := reader.peek(num_samples)).size >= frame_samples:
        energy = frame_energy(samples, frame_samples)
        reader.skip_to(reader.position + energy.size * frame_samples)
        yield np.maximum(10 * np.log10(energy + 1e-12), _SILENCE_DB)
