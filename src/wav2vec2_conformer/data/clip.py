"""The samples of an utterance, which may be a part of a long file."""

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from wav2vec2_conformer.audio.loading import load_audio
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.errors import AudioError

# Containers in which every sample can be reached without decoding those before it.
_SEEKABLE_FORMATS = frozenset({"WAV", "WAVEX", "W64", "RF64", "AIFF", "AU", "FLAC", "CAF"})


def load_utterance(utterance: Utterance, sample_rate_hz: int = 16_000) -> NDArray[np.float32]:
    """Return the mono samples (L,) of an utterance at a rate.

    Raises:
        AudioError: The file cannot be decoded, or ends before the utterance begins.
    """
    if utterance.offset_s is None:
        return load_audio(utterance.audio_path, target_rate_hz=sample_rate_hz)
    return load_segment(
        utterance.audio_path, utterance.offset_s, utterance.duration_s, sample_rate_hz
    )


def load_segment(
    path: Path, offset_s: float, duration_s: float, sample_rate_hz: int = 16_000
) -> NDArray[np.float32]:
    """Return a part of a file as mono samples (L,); fewer than asked for where the file ends.

    From wav, flac and the like only that part is decoded, from others the whole file.

    Args:
        path: Audio file.
        offset_s: Where the part begins.
        duration_s: Its length.
        sample_rate_hz: Rate of the result.

    Raises:
        AudioError: The file cannot be decoded, or ends before the part begins.
    """
    try:
        file = soundfile.SoundFile(str(path))
    except (soundfile.SoundFileError, TypeError):
        file = None  # of another format, or missing: `load_audio` reads it or says why not
    if file is not None and file.format in _SEEKABLE_FORMATS:
        with file:
            rate_hz = file.samplerate
            start = round(offset_s * rate_hz)
            if start < file.frames:
                try:
                    file.seek(start)
                    moments = file.read(
                        round(duration_s * rate_hz), dtype="float32", always_2d=True
                    )
                except soundfile.SoundFileError as error:
                    raise AudioError(
                        f"{path}: cannot be decoded from {offset_s} s: {error}"
                    ) from error
                return load_audio(moments.mean(axis=1), rate_hz, target_rate_hz=sample_rate_hz)
            length_s = file.frames / rate_hz
    else:
        if file is not None:
            file.close()
        waveform = load_audio(path, target_rate_hz=sample_rate_hz)
        start = round(offset_s * sample_rate_hz)
        if start < len(waveform):
            return waveform[start : start + round(duration_s * sample_rate_hz)]
        length_s = len(waveform) / sample_rate_hz
    raise AudioError(
        f"{path}: ends at {length_s:.2f} s, before the utterance begins ({offset_s} s)"
    )
