"""Augmentation of waveforms: speed and gain.

Paper: Ko et al. 2015, "Audio Augmentation for Speech Recognition" (speed perturbation by
resampling, which changes tempo and pitch together).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

from wav2vec2_conformer.errors import InputError


@dataclass(frozen=True)
class Augmentation:
    """How clips are changed at random in training.

    Attributes:
        speed_perturbation: Speeds are drawn evenly from 1 - this to 1 + this. The paper's
            0.1 is usual; 0 leaves the speed alone.
        gain_db: Gains are drawn evenly from minus to plus this many decibels. Without
            effect on models whose input is normalized to unit variance (most released
            ones), so 0, off, by default.

    Raises:
        InputError: A value is negative, or the slowest speed is not positive.
    """

    speed_perturbation: float = 0.0
    gain_db: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.speed_perturbation < 1:
            raise InputError(
                f"speed_perturbation must be at least 0 and below 1, got {self.speed_perturbation}"
            )
        if not self.gain_db >= 0:
            raise InputError(f"gain_db must be at least 0, got {self.gain_db}")

    @property
    def max_speed(self) -> float:
        """The fastest speed: durations shrink by up to this factor."""
        return 1 + self.speed_perturbation

    def apply(
        self, waveform: npt.NDArray[np.float32], rng: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """Return a changed copy of the waveform, or the waveform itself.

        Args:
            waveform: Samples (L,).
            rng: Source of the draws.

        Returns:
            Samples (L / speed,), float32.
        """
        if self.speed_perturbation:
            speed = rng.uniform(1 - self.speed_perturbation, 1 + self.speed_perturbation)
            waveform = change_speed(waveform, speed)
        if self.gain_db:
            gain = 10 ** (rng.uniform(-self.gain_db, self.gain_db) / 20)
            waveform = waveform * np.float32(gain)
        return waveform


def change_speed(waveform: npt.NDArray[np.float32], speed: float) -> npt.NDArray[np.float32]:
    """Play faster (`speed` above 1) or slower, with the pitch that follows.

    Args:
        waveform: Samples (L,).
        speed: Factor, positive.

    Returns:
        Samples (L / speed,), at the same sample rate.
    """
    return soxr.resample(waveform, speed, 1.0)
