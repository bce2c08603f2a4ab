"""What is measured of each clip of a data set when all of it is decoded once.

Shapes used in this file:
    L  samples at 16 kHz
"""

import hashlib
import multiprocessing
import signal
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain

import numpy as np
import soundfile
from numpy.typing import NDArray

from wav2vec2_conformer.audio.silence import frame_energy
from wav2vec2_conformer.audio.truncation import TruncatedAudioWarning
from wav2vec2_conformer.data.clip import load_utterance
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.errors import AudioError, MissingExtraError

SAMPLE_RATE_HZ = 16_000
_FRAME_SAMPLES = 320
# Samples this near full scale count as clipped: resampling and lossy coding move them a little.
_CLIPPED_LEVEL = 0.985
# Below this a frame of 20 ms is silence; a quiet room is some 15 dB above.
_SILENCE_DB = -70.0
# Clips that one message to a worker process holds.
_CHUNK_CLIPS = 8


@dataclass(frozen=True, slots=True)
class ClipCheck:
    """What a clip sounds like.

    Attributes:
        problem: Why it cannot be used at all; the other values then say nothing. None if it can.
        damage: Why only its first part could be decoded, None if all could.
        sample_rate_hz: Rate of the file, None where only a decoder of media files knows it.
        duration_s: Length that was decoded.
        clipped_share: Share of samples at full scale.
        silent_share: Share of frames of 20 ms in which nothing is to be heard.
        offset: Mean of the samples, 0 in a sound recording.
        digest: Equal for two clips if their samples at 16 kHz are equal, rounded to 16 bits.
    """

    problem: str | None
    damage: str | None = None
    sample_rate_hz: int | None = None
    duration_s: float = 0.0
    clipped_share: float = 0.0
    silent_share: float = 1.0
    offset: float = 0.0
    digest: str = ""


def check_clip(utterance: Utterance) -> ClipCheck:
    """Decode a clip and measure it. What is wrong with it becomes part of the result."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", TruncatedAudioWarning)
        try:
            waveform = load_utterance(utterance, SAMPLE_RATE_HZ)
        except (AudioError, MissingExtraError) as error:
            return ClipCheck(problem=str(error))
    if not waveform.size:
        return ClipCheck(problem=f"{utterance.audio_path}: the utterance holds no samples")
    try:
        rate_hz = soundfile.info(str(utterance.audio_path)).samplerate
    except (soundfile.SoundFileError, TypeError):
        rate_hz = None
    return ClipCheck(
        problem=None,
        damage=str(caught[0].message) if caught else None,
        sample_rate_hz=rate_hz,
        duration_s=waveform.size / SAMPLE_RATE_HZ,
        clipped_share=float(np.mean(np.abs(waveform) >= _CLIPPED_LEVEL)),
        silent_share=_measure_silence(waveform),
        offset=float(waveform.mean(dtype=np.float64)),
        digest=_digest(waveform),
    )


def iter_checks(utterances: Sequence[Utterance], num_workers: int) -> Iterator[ClipCheck]:
    """Yield the check of each utterance, in their order.

    Args:
        utterances: Of one or several data sets.
        num_workers: Processes that decode; with 0 or 1 this process does. With more, a script
            needs the usual `if __name__ == "__main__":` around what it runs.

    Raises:
        AudioError: A worker process died.
    """
    if num_workers <= 1 or len(utterances) <= _CHUNK_CLIPS:
        yield from map(check_clip, utterances)
        return
    chunks = [
        utterances[start : start + _CHUNK_CLIPS]
        for start in range(0, len(utterances), _CHUNK_CLIPS)
    ]
    # Not by fork, which copies locks that threads of torch may hold.
    pool = ProcessPoolExecutor(
        num_workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_ignore_interrupts,
    )
    try:
        yield from chain.from_iterable(pool.map(_check_clips, chunks))
    except BrokenProcessPool as error:
        raise AudioError(
            "a process that decodes audio died: out of memory, or a decoder crashed at a damaged "
            "file. Decode in one process (--num-workers 0) to see how far it gets"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _check_clips(utterances: Sequence[Utterance]) -> list[ClipCheck]:
    return [check_clip(utterance) for utterance in utterances]


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the main process, which then stops the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _measure_silence(waveform: NDArray[np.float32]) -> float:
    centred = (waveform - waveform.mean()).astype(np.float32)
    frame_samples = min(_FRAME_SAMPLES, waveform.size)
    energy = frame_energy(centred, frame_samples)
    return float(np.mean(energy < 10 ** (_SILENCE_DB / 10)))


def _digest(waveform: NDArray[np.float32]) -> str:
    pcm = np.round(np.clip(waveform, -1, 1) * 32767).astype("<i2")
    return hashlib.blake2b(pcm.tobytes(), digest_size=16).hexdigest()
