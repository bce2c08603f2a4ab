"""Whatever holds audio, read in blocks: recordings of any length in flat memory.

Rules, the same for every source: channels are averaged; other rates are resampled (soxr HQ);
integers are scaled by the range of their type; a silent recording is a result, an empty one
is an error; a recording that is cut off is used as far as it goes, with a warning.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio.arrays import as_moments, iter_blocks
from wav2vec2_conformer.audio.decoding import RecordingBytes, iter_decoded
from wav2vec2_conformer.audio.source import AudioSource, find_encoded, source_name, unpack_row
from wav2vec2_conformer.audio.truncation import warn_truncated
from wav2vec2_conformer.audio.waveform import MonoResampler, check_sample_rate
from wav2vec2_conformer.errors import InputError


class AudioBlocks:
    """The mono blocks of one recording, one after another, as often as they are asked for.

    Each iteration decodes the recording anew and keeps nothing of it. What can be read once
    only (standard input, pipes, file objects) is copied first: to memory, or to a temporary
    file above 64 MiB. A context manager; leaving it removes that file.

    Args:
        source: A path; `-` for standard input; the bytes of a file; a binary file object,
            read from where it stands; a numpy array or torch tensor of samples with one axis,
            or with a second axis of at most 16 channels; or a row of a Hugging Face dataset,
            `{"array", "sampling_rate"}` or `{"bytes", "path"}`.
        sample_rate_hz: Rate of an array or tensor, which cannot say it. Not used for encoded
            audio, which says its own.
        target_rate_hz: Rate of the blocks.

    Attributes:
        name: What to call the recording in messages and results.
        target_rate_hz: Rate of the blocks.
        duration_s: Length of the recording in seconds, known after the last block; None before.

    Raises:
        AudioError: When a file is missing or may not be read, or the rate is absurd.
        InputError: When the source is no audio, or an array's shape, type or rate cannot be.
    """

    def __init__(
        self,
        source: AudioSource,
        sample_rate_hz: float | None = None,
        *,
        target_rate_hz: int = 16_000,
    ) -> None:
        self.name = source_name(source)
        self.target_rate_hz = target_rate_hz
        self.duration_s: float | None = None
        check_sample_rate(target_rate_hz, "target_rate_hz")
        if isinstance(source, Mapping):
            source, sample_rate_hz = unpack_row(source)
        self._has_warned = False
        self._resources = ExitStack()
        self._encoded = find_encoded(source, self.name, self._resources)
        if self._encoded is None:
            if sample_rate_hz is None:
                raise InputError(
                    f"{self.name}: an array does not say its sample rate; pass sample_rate_hz, "
                    "for example sample_rate_hz=16_000."
                )
            self._sample_rate_hz = float(sample_rate_hz)
            self._moments = as_moments(source, self.name)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Yield new blocks of shape (L,), none of them empty.

        Raises:
            AudioError: When the audio is empty, damaged, no audio, or not finite; perhaps
                after blocks that could be used.
            MissingExtraError: When the format needs the extra `media`.

        Warns:
            TruncatedAudioWarning: After the last block, when there should be more. Once, not
                for each iteration.
        """
        num_samples = 0
        for block in self._iter_array() if self._encoded is None else self._iter_encoded():
            if block.size:
                num_samples += block.size
                yield block
        self.duration_s = num_samples / self.target_rate_hz

    def load(self, max_samples: float = math.inf) -> NDArray[np.float32]:
        """Return the recording as one waveform of shape (L,).

        Args:
            max_samples: Reading stops as soon as there are more, and what was read by then
                is returned: more than `max_samples` and perhaps not the whole.

        Raises:
            AudioError: As for the blocks.
            MissingExtraError: As for the blocks.
        """
        waveform = np.empty(0, dtype=np.float32)
        length = 0
        for block in self:
            needed = length + len(block)
            if needed > len(waveform):
                # In place where the allocator can, and by little: no second copy of a long
                # recording.
                waveform.resize(max(needed, len(waveform) * 17 // 16), refcheck=False)
            waveform[length:needed] = block
            length = needed
            if length > max_samples:
                break
        waveform.resize(length, refcheck=False)
        return waveform

    def close(self) -> None:
        """Remove the temporary file, if there is one. The blocks cannot be read any more."""
        self._resources.close()

    def __enter__(self) -> Self:
        """Return the blocks."""
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _iter_encoded(self) -> Iterator[NDArray[np.float32]]:
        file = self._encoded
        return iter_decoded(
            file if isinstance(file, Path) else RecordingBytes(file or b""),
            self.name,
            self.target_rate_hz,
            on_damage=self._warn_once,
        )

    def _iter_array(self) -> Iterator[NDArray[np.float32]]:
        resampler = MonoResampler(self.name, self._sample_rate_hz, self.target_rate_hz)
        for block in iter_blocks(self._moments, self.name):
            yield resampler.convert(block)
        yield resampler.finish()

    def _warn_once(self, decoded_s: float, reason: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            warn_truncated(self.name, decoded_s, reason)
