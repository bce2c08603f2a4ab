"""Where in a recording somebody speaks.

A detector scores frames; here the scores become regions: speech ends after a second without,
regions too short to be a word are dropped, and each keeps a margin of silence on both sides.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio import energy, silero
from wav2vec2_conformer.errors import InputError

SpeechDetection = Literal["energy", "silero"]

# Scores: speech starts at 1 and goes on above 0.7 (for silero: probabilities 0.5 and 0.35).
_START_SCORE = 1.0
_STAY_SCORE = 0.7
_MIN_SPEECH_S = 0.1
_MIN_SILENCE_S = 1.0
_MARGIN_S = 0.3


def check_speech_detection(method: str | None, sample_rate_hz: int) -> None:
    """Refuse a name that is none of a detector, or a detector that cannot be used.

    Raises:
        InputError: When there is no such detector, or it hears another rate.
        MissingExtraError: When it needs the extra `vad`.
    """
    if method is not None and method not in get_args(SpeechDetection):
        raise InputError(
            f"speech_detection must be one of {', '.join(get_args(SpeechDetection))}, or None, "
            f"but is {method!r}."
        )
    if method == "silero":
        silero.check_rate(sample_rate_hz)
        silero.find_weights()


def find_speech(
    blocks: Iterable[NDArray[np.float32]],
    *,
    method: SpeechDetection,
    sample_rate_hz: int,
    grid_samples: int = 1,
) -> list[tuple[int, int]]:
    """Return the regions of a recording in which somebody speaks.

    Args:
        blocks: Its samples of shape (L,), not normalized.
        method: `energy`: louder than the noise around it; `silero`: a small network that
            tells speech from other sounds (the extra `vad`).
        sample_rate_hz: Rate of the samples.
        grid_samples: Regions start at multiples of this.

    Returns:
        (first sample, sample after the last one) of each region, in order and apart. A
        silence of less than 1 s does not part regions; each has up to 0.3 s of silence on
        both sides.

    Raises:
        InputError: When silero is to hear another rate than 16 kHz.
        MissingExtraError: When silero is not installed.
    """
    counted = _Counted(blocks)
    if method == "silero":
        frame_samples = silero.FRAME_SAMPLES
        scores = silero.iter_silero_scores(counted, sample_rate_hz)
    else:
        frame_samples = round(energy.FRAME_S * sample_rate_hz)
        scores = energy.iter_energy_scores(counted, sample_rate_hz)
    frame_s = frame_samples / sample_rate_hz
    margin = round(_MARGIN_S * sample_rate_hz)
    regions: list[tuple[int, int]] = []
    for first_frame, end_frame in _iter_runs(
        scores, min_speech=_MIN_SPEECH_S / frame_s, min_silence=_MIN_SILENCE_S / frame_s
    ):
        start = max(0, first_frame * frame_samples - margin)
        regions.append((start // grid_samples * grid_samples, end_frame * frame_samples + margin))
    return [(start, min(end, counted.num_samples)) for start, end in regions]


class _Counted:
    """Counts the samples that pass."""

    def __init__(self, blocks: Iterable[NDArray[np.float32]]) -> None:
        self._blocks = blocks
        self.num_samples = 0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for block in self._blocks:
            self.num_samples += block.size
            yield block


def _iter_runs(
    scores: Iterable[NDArray[np.float64]], *, min_speech: float, min_silence: float
) -> Iterator[tuple[int, int]]:
    """Yield runs of speech as (first frame, frame after the last one)."""
    first = end = -1  # of the run that is open; `end` is after its last frame of speech
    num_speech = 0
    frame = 0
    for block in scores:
        for score in block.tolist():
            if score >= (_START_SCORE if first < 0 or frame > end else _STAY_SCORE):
                if first < 0:
                    first = frame
                    num_speech = 0
                end = frame + 1
                num_speech += 1
            elif first >= 0 and frame - end >= min_silence:
                if num_speech >= min_speech:
                    yield first, end
                first = -1
            frame += 1
    if first >= 0 and num_speech >= min_speech:
        yield first, end
