"""What is said by one speaker in a short stretch of a recording, to compare voices with.

Shapes used in this file:
    L  samples
    T  frames
    S  tracks
    D  width of an embedding
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.inference.windows import Window

# Where a model says only that someone speaks, pieces so long have one voice; one every so often.
PIECE_S = 1.5
STEP_S = 0.75
# Shorter audio is repeated: models have a shortest input.
_MIN_AUDIO_S = 0.2


@dataclass(slots=True, eq=False)
class Voice:
    """A stretch of a recording, of one speaker as far as the model tells.

    Attributes:
        start_frame: Of the recording.
        probs: Probability that the speaker speaks, shape (T,), from that frame on.
        own_s: Seconds in which this speaker is heard and nobody else.
        audio: What to hear of the voice, shape (L,).
        group: Voices of one group are of different speakers.
        vector: What the audio was embedded as, shape (D,); None before.
    """

    start_frame: int
    probs: NDArray[np.float32]
    own_s: float
    audio: NDArray[np.float32]
    group: int
    vector: NDArray[np.float32] | None = None


# Takes a window and the probabilities (T, S) of its kept frames.
FindVoices = Callable[[Window, NDArray[np.float32]], list[Voice]]


def find_track_voices(
    window: Window,
    probs: NDArray[np.float32],
    *,
    onset: float,
    min_speech_s: float,
    frame_samples: int,
    sample_rate_hz: int,
) -> list[Voice]:
    """Return a voice for each track of a window in which somebody speaks.

    Args:
        window: Its samples at the model's rate.
        probs: Of the kept frames' tracks, which are speakers; (T, S).
        onset: Probability from which on somebody speaks.
        min_speech_s: Tracks with less speech are no voices.
        frame_samples: Samples from one frame to the next.
        sample_rate_hz: Rate of the window.
    """
    frame_s = frame_samples / sample_rate_hz
    is_active = probs >= onset
    num_active = is_active.sum(axis=1)
    start = window.first_frame * frame_samples
    kept = window.samples[start : start + len(probs) * frame_samples]
    frames = np.resize(kept, (len(probs), frame_samples))
    voices = []
    for track in np.flatnonzero(is_active.sum(axis=0) >= max(1.0, min_speech_s / frame_s)):
        is_own = is_active[:, track] & (num_active == 1)
        own_s = float(is_own.sum() * frame_s)
        # Who is never heard alone is known by what is heard together with others.
        is_heard = is_own if own_s >= _MIN_AUDIO_S else is_active[:, track]
        audio = _lengthen(frames[is_heard].reshape(-1), sample_rate_hz)
        # A copy, not a view of the whole batch.
        column = probs[:, track].copy()
        voices.append(Voice(window.start_frame, column, own_s, audio, window.start_frame))
    return voices


def find_piece_voices(
    window: Window,
    probs: NDArray[np.float32],
    *,
    onset: float,
    frame_samples: int,
    sample_rate_hz: int,
) -> list[Voice]:
    """Return a voice for each short piece of a window in which somebody speaks.

    The recording is parted into steps of 0.75 s; the voice of a step is heard in 1.5 s around it.

    Args:
        window: Its samples at the model's rate.
        probs: Of the kept frames: that anyone speaks; (T, 1).
        onset: Probability from which on somebody speaks.
        frame_samples: Samples from one frame to the next.
        sample_rate_hz: Rate of the window.
    """
    frame_s = frame_samples / sample_rate_hz
    step = max(1, round(STEP_S / frame_s))
    margin = round((PIECE_S - STEP_S) / 2 / frame_s)
    speech = probs[:, 0].copy()
    voices = []
    # Steps lie on a grid of the whole recording, whatever its windows are.
    first = -(window.start_frame % step)
    for start in range(first, len(speech), step):
        column = speech[max(0, start) : start + step]
        if not (column >= onset).any():
            continue
        heard = speech[max(0, start - margin) : start + step + margin]
        low = window.first_frame + start - margin
        high = window.first_frame + start + step + margin
        audio = window.samples[max(0, low) * frame_samples : high * frame_samples]
        start_frame = window.start_frame + max(0, start)
        voices.append(
            Voice(
                start_frame,
                column,
                float((heard >= onset).sum() * frame_s),
                _lengthen(audio.copy(), sample_rate_hz),
                start_frame,
            )
        )
    return voices


def _lengthen(audio: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    """Return the audio, repeated where it is very short."""
    return np.resize(audio, max(audio.size, round(_MIN_AUDIO_S * sample_rate_hz)))
