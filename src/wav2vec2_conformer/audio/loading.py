"""Whatever holds audio to one 16 kHz mono float32 waveform."""

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio.blocks import AudioBlocks
from wav2vec2_conformer.audio.source import AudioSource


def load_audio(
    source: AudioSource,
    sample_rate_hz: float | None = None,
    *,
    target_rate_hz: int = 16_000,
) -> NDArray[np.float32]:
    """Load audio of any kind as one mono waveform: the blocks of `AudioBlocks`, joined.

    Args:
        source: Whatever `AudioBlocks` reads: a path, `-`, bytes, a binary file object, an
            array or tensor, a row of a Hugging Face dataset.
        sample_rate_hz: Rate of an array or tensor, which cannot say it. Not used for encoded
            audio, which says its own.
        target_rate_hz: Rate of the result.

    Returns:
        New samples of shape (L,), between -1 and 1 unless the source exceeds that.

    Raises:
        AudioError: When the audio is missing, empty, damaged, no audio, or not finite.
        InputError: When an array's shape, type or rate cannot be audio.
        MissingExtraError: When the format needs the extra `media`.

    Warns:
        TruncatedAudioWarning: When only the first part of the recording could be decoded.
    """
    with AudioBlocks(source, sample_rate_hz, target_rate_hz=target_rate_hz) as blocks:
        return blocks.load()
