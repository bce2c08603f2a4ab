"""Blocks of audio at any rate become one mono waveform at the model's rate.

Only the result grows with the length of the audio: each block is averaged over its channels,
resampled and appended, so that ten hours need no more than their own samples.

Shapes used in this file:
    N  moments in a block (a moment holds one value for each channel)
    C  channels
    L  samples of the result
"""

import numpy as np
import soxr
from numpy.typing import NDArray

from wav2vec2_conformer.errors import AudioError

MIN_SAMPLE_RATE_HZ = 1_000
MAX_SAMPLE_RATE_HZ = 768_000
# A header can promise any length, so it alone never reserves more than an hour.
_MAX_RESERVED_S = 3_600


def check_sample_rate(sample_rate_hz: float, name: str) -> None:
    """Refuse a rate that no recording has.

    Raises:
        AudioError: When the rate is not between 1,000 and 768,000 Hz.
    """
    if not MIN_SAMPLE_RATE_HZ <= sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
        raise AudioError(
            f"{name}: the sample rate must be between {MIN_SAMPLE_RATE_HZ} and "
            f"{MAX_SAMPLE_RATE_HZ} Hz, but is {sample_rate_hz:g} Hz. The file is damaged or "
            "the rate was given in another unit."
        )


class WaveformBuilder:
    """Collects blocks of one recording.

    Args:
        name: What to call the recording in messages.
        sample_rate_hz: Rate of the blocks.
        target_rate_hz: Rate of the result.
        expected_moments: Length that the header promises, 0 if unknown. A wrong one costs
            memory or time and never changes the result.

    Raises:
        AudioError: When the sample rate is absurd.
    """

    def __init__(
        self,
        name: str,
        sample_rate_hz: float,
        target_rate_hz: float,
        *,
        expected_moments: int = 0,
    ) -> None:
        check_sample_rate(sample_rate_hz, name)
        self.name = name
        self.sample_rate_hz = sample_rate_hz
        self.num_moments = 0
        self._resampler: soxr.ResampleStream | None = None
        if sample_rate_hz != target_rate_hz:
            self._resampler = soxr.ResampleStream(
                sample_rate_hz, target_rate_hz, 1, dtype="float32", quality="HQ"
            )
        expected_s = min(max(expected_moments, 0) / sample_rate_hz, _MAX_RESERVED_S)
        self._samples = np.empty(int(expected_s * target_rate_hz) + 1, dtype=np.float32)
        self._length = 0
        self._num_unusable = 0
        self._first_unusable = 0

    @property
    def decoded_s(self) -> float:
        """Seconds of audio seen so far."""
        return self.num_moments / self.sample_rate_hz

    def add(self, block: NDArray[np.float32]) -> None:
        """Append a block.

        Args:
            block: Values of shape (N, C).
        """
        # NaN and infinity survive the average, and so does an average out of range.
        with np.errstate(over="ignore", invalid="ignore"):
            mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        unusable = np.flatnonzero(~np.isfinite(mono))
        if unusable.size:
            if not self._num_unusable:
                self._first_unusable = self.num_moments + int(unusable[0])
            self._num_unusable += unusable.size
        self.num_moments += len(mono)
        if self._num_unusable:
            return  # counted to the end for the message, never used
        if self._resampler is not None:
            mono = self._resampler.resample_chunk(np.ascontiguousarray(mono))
        self._append(mono)

    def build(self) -> NDArray[np.float32]:
        """Return the waveform of shape (L,). Nothing can be added afterwards.

        Raises:
            AudioError: When there is no sample, or one is NaN or infinite.
        """
        if self._num_unusable:
            first_s = self._first_unusable / self.sample_rate_hz
            raise AudioError(
                f"{self.name}: {self._num_unusable} of {self.num_moments} samples are NaN or "
                f"infinite, the first is number {self._first_unusable} (at {first_s:.3f} s). "
                "Export the audio again, or replace these samples."
            )
        if self._resampler is not None:
            self._append(self._resampler.resample_chunk(np.empty(0, np.float32), last=True))
        if not self._length:
            held = f"{self.num_moments} samples" if self.num_moments else "no samples"
            raise AudioError(f"{self.name}: holds {held}, so there is nothing to use.")
        self._samples.resize(self._length, refcheck=False)
        return self._samples

    def _append(self, samples: NDArray[np.float32]) -> None:
        needed = self._length + len(samples)
        if needed > len(self._samples):
            # In place where the allocator can, so no second copy of a long recording.
            self._samples.resize(max(needed, len(self._samples) * 5 // 4), refcheck=False)
        self._samples[self._length : needed] = samples
        self._length = needed
