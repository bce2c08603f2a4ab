"""Raw PCM, bytes as they come from a pipe or socket, to mono samples at the model's rate.

Shapes used in this file:
    N  moments
    C  channels
    L  samples
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio.arrays import MAX_CHANNELS, iter_blocks
from wav2vec2_conformer.audio.waveform import MonoResampler
from wav2vec2_conformer.errors import AudioError, InputError

PcmFormat = Literal["s16le", "s32le", "f32le"]  # as ffmpeg and arecord call them
_TYPES = {"s16le": "<i2", "s32le": "<i4", "f32le": "<f4"}
_FILE_MARKS = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3", b"\x1a\x45\xdf\xa3", b"FORM", b".snd")


class PcmReader:
    """Converts headerless samples, block after block.

    The sizes of the blocks do not change the samples; a moment may be cut anywhere.

    Args:
        name: What to call the stream in messages.
        sample_rate_hz: Rate of the stream.
        num_channels: Channels, interleaved; their mean is used.
        pcm_format: `s16le`, `s32le` (integers) or `f32le` (between -1 and 1), little endian.
        target_rate_hz: Rate of the result.

    Raises:
        AudioError: When the rate is absurd.
        InputError: When the format or the number of channels is not possible.
    """

    def __init__(
        self,
        name: str,
        *,
        sample_rate_hz: float,
        num_channels: int = 1,
        pcm_format: PcmFormat = "s16le",
        target_rate_hz: float = 16_000,
    ) -> None:
        if pcm_format not in _TYPES:
            allowed = ", ".join(get_args(PcmFormat))
            raise InputError(f"pcm_format must be one of {allowed}, but is {pcm_format!r}.")
        if not 1 <= num_channels <= MAX_CHANNELS:
            raise InputError(
                f"num_channels must be between 1 and {MAX_CHANNELS}, but is {num_channels}."
            )
        self.name = name
        self._type = np.dtype(_TYPES[pcm_format])
        self._num_channels = num_channels
        self._moment_bytes = num_channels * self._type.itemsize
        self._resampler = MonoResampler(name, sample_rate_hz, target_rate_hz)
        self._rest = b""  # a moment that is not complete
        self._has_started = False

    def read(self, data: bytes) -> NDArray[np.float32]:
        """Convert the next bytes.

        Returns:
            Mono samples of shape (L,); L may be 0.

        Raises:
            AudioError: When the stream is a file with a header, or holds NaN or infinity.
        """
        data = self._rest + data
        if len(data) < self._moment_bytes:
            self._rest = data
            return np.empty(0, np.float32)
        if not self._has_started and data.startswith(_FILE_MARKS):
            raise AudioError(
                f"{self.name}: is an audio file with a header, not raw samples. Pass the file's "
                "path, or decode it first: ffmpeg -i FILE -f s16le -ac 1 -ar 16000 -"
            )
        self._has_started = True
        num_moments = len(data) // self._moment_bytes
        end = num_moments * self._moment_bytes
        self._rest = data[end:]
        moments = np.frombuffer(data[:end], self._type).reshape(num_moments, self._num_channels)
        if self._type.kind == "f" and not np.isfinite(moments).all():
            raise AudioError(
                f"{self.name}: holds NaN or infinity, so the samples are not "
                "f32le. Name their format: s16le is the usual one."
            )
        blocks = [self._resampler.convert(block) for block in iter_blocks(moments, self.name)]
        return np.concatenate(blocks)

    def finish(self) -> NDArray[np.float32]:
        """Return the last samples, which the resampler held back; shape (L,).

        Raises:
            AudioError: When there was no whole moment at all.
        """
        return self._resampler.finish()
