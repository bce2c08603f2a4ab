"""Encoded audio to mono blocks: soundfile first, PyAV for what it refuses."""

import io
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from wav2vec2_conformer.audio.media import iter_media
from wav2vec2_conformer.audio.truncation import (
    find_missing_ogg_end,
    find_short_chunk,
)
from wav2vec2_conformer.audio.waveform import MonoResampler
from wav2vec2_conformer.errors import AudioError

_BLOCK_MOMENTS = 1 << 16


class RecordingBytes(io.BytesIO):
    """The bytes of a recording.

    A seek before the start does nothing, as in a file: decoders of damaged audio try it, in
    callbacks from C that cannot raise.
    """

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a position and return it; stay when there is no such position."""
        try:
            return super().seek(offset, whence)
        except ValueError:
            return self.tell()


class _SequentialSoundFile(soundfile.SoundFile):
    """A sound file that is only read forwards.

    soundfile seeks after each block of a seekable file. In an MP3 that loses the bits which a
    frame borrows from the one before, and the samples after each block are wrong.
    """

    def seekable(self) -> bool:
        return False


def iter_decoded(
    file: Path | RecordingBytes,
    name: str,
    target_rate_hz: float,
    *,
    on_damage: Callable[[float, str], None],
) -> Iterator[NDArray[np.float32]]:
    """Decode a recording of any format, rate and channel count.

    A recording that is cut off or damaged is used as far as it can be decoded.

    Args:
        file: An existing file, or the bytes of one.
        name: What to call it in messages.
        target_rate_hz: Rate of the result.
        on_damage: Called after the last block of a recording that is cut off or damaged, with
            the seconds that could be decoded and the reason.

    Yields:
        Mono samples of shape (L,); L may be 0.

    Raises:
        AudioError: When it is empty, is not audio, or holds no usable sample.
        MissingExtraError: When the format needs PyAV and that is not installed.
    """
    try:
        sound_file = _SequentialSoundFile(str(file) if isinstance(file, Path) else file)
    except TypeError as error:  # asks for the rate of a file whose name ends in .raw
        raise AudioError(
            f"{name}: headerless audio says neither rate nor type. Read it with "
            "numpy.fromfile and pass the array with its rate, or convert it to wav."
        ) from error
    except soundfile.LibsndfileError:
        yield from iter_media(file, name, target_rate_hz, on_damage=on_damage)
        return
    with sound_file:
        resampler = MonoResampler(name, sound_file.samplerate, target_rate_hz)
        damage = yield from _iter_readable(sound_file, resampler)
        if damage is None:
            damage = find_short_chunk(sound_file.extra_info)
        if damage is None and resampler.num_moments < sound_file.frames:
            promised_s = sound_file.frames / sound_file.samplerate
            damage = f"the header promises {promised_s:.2f} s"
        if damage is None and sound_file.format == "OGG":
            damage = find_missing_ogg_end(file)
    if damage is not None and not resampler.num_moments:
        raise AudioError(f"{name}: the audio cannot be decoded: {damage}.")
    yield resampler.finish()
    if damage is not None:
        on_damage(resampler.decoded_s, damage)


def _iter_readable(
    sound_file: soundfile.SoundFile, resampler: MonoResampler
) -> Generator[NDArray[np.float32], None, str | None]:
    """Read to the end, or to the damage, and say what the damage is."""
    block = np.empty((_BLOCK_MOMENTS, sound_file.channels), dtype=np.float32)
    while True:
        try:
            num_read = len(sound_file.read(dtype="float32", out=block))
        except soundfile.LibsndfileError as error:
            # What was decoded before the damage is in the block already.
            num_decoded = sound_file.tell() - resampler.num_moments
            if 0 < num_decoded <= _BLOCK_MOMENTS:
                yield resampler.convert(block[:num_decoded])
            return f"decoder error {error.code}"
        if not num_read:
            return None
        yield resampler.convert(block[:num_read])
