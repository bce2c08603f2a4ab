"""Blocks of audio at any rate become mono blocks at the model's rate.

Each block is averaged over its channels and resampled on its own, so that ten hours need no
more memory than ten seconds.

Shapes used in this file:
    N  moments in a block (a moment holds one value for each channel)
    C  channels
    L  samples of a block of the result
"""

import numpy as np
import soxr
from numpy.typing import NDArray

from wav2vec2_conformer.errors import AudioError

MIN_SAMPLE_RATE_HZ = 1_000
MAX_SAMPLE_RATE_HZ = 768_000


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


class MonoResampler:
    """Converts the blocks of one recording, in order.

    Args:
        name: What to call the recording in messages.
        sample_rate_hz: Rate of the blocks.
        target_rate_hz: Rate of the result.

    Attributes:
        num_moments: Moments seen so far.

    Raises:
        AudioError: When the sample rate is absurd.
    """

    def __init__(self, name: str, sample_rate_hz: float, target_rate_hz: float) -> None:
        check_sample_rate(sample_rate_hz, name)
        self.name = name
        self.sample_rate_hz = sample_rate_hz
        self.num_moments = 0
        self._resampler: soxr.ResampleStream | None = None
        if sample_rate_hz != target_rate_hz:
            self._resampler = soxr.ResampleStream(
                sample_rate_hz, target_rate_hz, 1, dtype="float32", quality="HQ"
            )
        self._num_converted = 0
        self._num_unusable = 0
        self._first_unusable = 0

    @property
    def decoded_s(self) -> float:
        """Seconds of audio seen so far."""
        return self.num_moments / self.sample_rate_hz

    def convert(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert a block.

        Args:
            block: Values of shape (N, C).

        Returns:
            New mono samples of shape (L,); L may be 0. After a value that is NaN or infinite
            there are none, and `finish` raises.
        """
        # NaN and infinity survive the average, and so does an average out of range.
        with np.errstate(over="ignore", invalid="ignore"):
            mono = block[:, 0].copy() if block.shape[1] == 1 else block.mean(axis=1)
        unusable = np.flatnonzero(~np.isfinite(mono))
        if unusable.size:
            if not self._num_unusable:
                self._first_unusable = self.num_moments + int(unusable[0])
            self._num_unusable += unusable.size
        self.num_moments += len(mono)
        if self._num_unusable:
            return mono[:0]  # counted to the end for the message, never used
        return self._resample(mono, is_last=False)

    def finish(self) -> NDArray[np.float32]:
        """Return the last samples, which the resampler held back; shape (L,).

        Raises:
            AudioError: When the recording holds no sample, or one is NaN or infinite.
        """
        if self._num_unusable:
            first_s = self._first_unusable / self.sample_rate_hz
            raise AudioError(
                f"{self.name}: {self._num_unusable} of {self.num_moments} samples are NaN or "
                f"infinite, the first is number {self._first_unusable} (at {first_s:.3f} s). "
                "Export the audio again, or replace these samples."
            )
        last = self._resample(np.empty(0, np.float32), is_last=True)
        if not self._num_converted:
            held = f"{self.num_moments} samples" if self.num_moments else "no samples"
            raise AudioError(f"{self.name}: holds {held}, so there is nothing to use.")
        return last

    def _resample(self, mono: NDArray[np.float32], *, is_last: bool) -> NDArray[np.float32]:
        if self._resampler is not None:
            mono = self._resampler.resample_chunk(mono, last=is_last)
        self._num_converted += len(mono)
        return mono
