"""Augmentation of waveforms: random changes of training clips.

In this order, as sound takes it: speed, a second voice, the room, noise, an overdriven
microphone, the telephone, gain. All are off by default.

Papers: Ko et al. 2015, "Audio Augmentation for Speech Recognition" (speed perturbation by
resampling, which changes tempo and pitch together); Ko et al. 2017, "A study on data
augmentation of reverberant speech for robust speech recognition" (rooms and noise).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import soxr

from wav2vec2_conformer.audio.duration import read_duration
from wav2vec2_conformer.data.clip import load_segment
from wav2vec2_conformer.data.codec import CODECS, Codec, send_by_telephone
from wav2vec2_conformer.data.mixing import build_babble, mix_voices
from wav2vec2_conformer.data.noise import add_noise, draw_pink_noise, draw_white_noise
from wav2vec2_conformer.data.rooms import draw_room_response, reverberate
from wav2vec2_conformer.errors import InputError

SAMPLE_RATE_HZ = 16_000
NOISE_KINDS = ("white", "pink", "babble", "recorded")
# As many voices sound like a room full of people; more only cost time.
NUM_BABBLE_VOICES = 5

Range = tuple[float, float]
T = TypeVar("T")


@dataclass(frozen=True)
class Augmentation:
    """How clips are changed at random in training.

    A range is two numbers between which values are drawn evenly. A probability is that of a
    change for each clip and epoch.

    Attributes:
        speed_perturbation: Speeds are drawn evenly from 1 - this to 1 + this. The paper's
            0.1 is usual; 0 leaves the speed alone.
        gain_db: Gains are drawn evenly from minus to plus this many decibels. Without
            effect on models whose input is normalized to unit variance (most released
            ones), so 0, off, by default.
        noise_probability: Of added noise.
        noise_snr_db: Range of the signal-to-noise ratio.
        noise_kinds: One is drawn each time: "white", "pink", "babble" (voices of
            `voice_paths`), "recorded" (of `noise_paths`).
        noise_paths: Recordings of noise.
        room_probability: Of reverberation.
        room_rt60_s: Range of the reverberation time.
        room_direct_db: Range of the direct sound's energy over the reverberation's.
        mixing_probability: Of a second voice (of `voice_paths`) over a part of the clip.
        mixing_ratio_db: Range of the clip's power over the second voice's.
        voice_paths: Clips of speech for "babble" and mixing.
        clipping_probability: Of cutting off the peaks.
        clipping_db: Range of how far below the highest peak.
        telephone_probability: Of a telephone's band and codec.
        telephone_codecs: One is drawn each time: "mulaw", "alaw", "gsm".

    Raises:
        InputError: A value is out of range, or a change lacks the recordings that it needs.
    """

    speed_perturbation: float = 0.0
    gain_db: float = 0.0
    noise_probability: float = 0.0
    noise_snr_db: Range = (5.0, 30.0)
    noise_kinds: Sequence[str] = ("white", "pink")
    noise_paths: Sequence[Path] = ()
    room_probability: float = 0.0
    room_rt60_s: Range = (0.1, 0.8)
    room_direct_db: Range = (0.0, 12.0)
    mixing_probability: float = 0.0
    mixing_ratio_db: Range = (3.0, 15.0)
    voice_paths: Sequence[Path] = ()
    clipping_probability: float = 0.0
    clipping_db: Range = (3.0, 12.0)
    telephone_probability: float = 0.0
    telephone_codecs: Sequence[Codec] = CODECS

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.speed_perturbation < 1:
            raise InputError(
                f"speed_perturbation must be at least 0 and below 1, got {self.speed_perturbation}"
            )
        if not self.gain_db >= 0:
            raise InputError(f"gain_db must be at least 0, got {self.gain_db}")
        for name in ("noise", "room", "mixing", "clipping", "telephone"):
            probability = getattr(self, f"{name}_probability")
            if not 0 <= probability <= 1:
                raise InputError(f"{name}_probability must be 0 to 1, got {probability}")
        for name in (
            "noise_snr_db",
            "room_rt60_s",
            "room_direct_db",
            "mixing_ratio_db",
            "clipping_db",
        ):
            low, high = getattr(self, name)
            if not low <= high:
                raise InputError(f"{name} must be a lower and an upper bound, got {low}, {high}")
        if not self.room_rt60_s[0] > 0:
            raise InputError(f"room_rt60_s must be positive, got {self.room_rt60_s}")
        if not self.clipping_db[0] >= 0:
            raise InputError(f"clipping_db must be at least 0, got {self.clipping_db}")
        self._check_choices()

    def _check_choices(self) -> None:
        _check_subset("noise_kinds", self.noise_kinds, NOISE_KINDS)
        _check_subset("telephone_codecs", self.telephone_codecs, CODECS)
        kinds = self.noise_kinds if self.noise_probability else ()
        if "recorded" in kinds and not self.noise_paths:
            raise InputError('noise_kinds has "recorded", which needs noise_paths: it is empty')
        if ("babble" in kinds or self.mixing_probability) and not self.voice_paths:
            raise InputError("babble and mixing need voice_paths, clips of speech: it is empty")

    @property
    def max_speed(self) -> float:
        """The fastest speed: durations shrink by up to this factor."""
        return 1 + self.speed_perturbation

    def apply(
        self, waveform: npt.NDArray[np.float32], rng: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """Return a changed copy of the waveform, or the waveform itself.

        Args:
            waveform: Samples (L,) at 16 kHz.
            rng: Source of the draws. What is off draws nothing.

        Returns:
            Samples (L / speed,), float32.

        Raises:
            AudioError: A recording of noise or speech cannot be decoded.
        """
        if self.speed_perturbation:
            speed = rng.uniform(1 - self.speed_perturbation, 1 + self.speed_perturbation)
            waveform = change_speed(waveform, speed)
        if _happens(self.mixing_probability, rng):
            start = int(rng.integers(waveform.size))
            other = _draw_piece(self.voice_paths, waveform.size - start, rng)
            waveform = mix_voices(waveform, other, rng.uniform(*self.mixing_ratio_db), start)
        if _happens(self.room_probability, rng):
            response = draw_room_response(
                rng.uniform(*self.room_rt60_s), rng.uniform(*self.room_direct_db), rng
            )
            waveform = reverberate(waveform, response)
        if _happens(self.noise_probability, rng):
            noise = self._draw_noise(waveform.size, rng)
            waveform = add_noise(waveform, noise, rng.uniform(*self.noise_snr_db))
        if _happens(self.clipping_probability, rng):
            waveform = clip_peaks(waveform, rng.uniform(*self.clipping_db))
        if _happens(self.telephone_probability, rng):
            codec = _choose(self.telephone_codecs, rng)
            waveform = send_by_telephone(waveform, codec)
        if self.gain_db:
            gain = 10 ** (rng.uniform(-self.gain_db, self.gain_db) / 20)
            waveform = waveform * np.float32(gain)
        return waveform

    def _draw_noise(self, num_samples: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        kind = _choose(self.noise_kinds, rng)
        if kind == "white":
            return draw_white_noise(num_samples, rng)
        if kind == "pink":
            return draw_pink_noise(num_samples, rng)
        if kind == "recorded":
            return _draw_piece(self.noise_paths, num_samples, rng)
        voices = [_draw_piece(self.voice_paths, num_samples, rng) for _ in range(NUM_BABBLE_VOICES)]
        return build_babble(voices, num_samples, rng)


def change_speed(waveform: npt.NDArray[np.float32], speed: float) -> npt.NDArray[np.float32]:
    """Play faster (`speed` above 1) or slower, with the pitch that follows.

    Args:
        waveform: Samples (L,).
        speed: Factor, positive.

    Returns:
        Samples (L / speed,), at the same sample rate.
    """
    return soxr.resample(waveform, speed, 1.0)


def clip_peaks(waveform: npt.NDArray[np.float32], depth_db: float) -> npt.NDArray[np.float32]:
    """Cut the samples (L,) off at `depth_db` below the highest of them."""
    limit = np.abs(waveform).max(initial=0.0) * np.float32(10 ** (-depth_db / 20))
    return np.clip(waveform, -limit, limit)


def _choose(values: Sequence[T], rng: np.random.Generator) -> T:
    return values[int(rng.integers(len(values)))]


def _happens(probability: float, rng: np.random.Generator) -> bool:
    return probability > 0 and rng.random() < probability


def _draw_piece(
    paths: Sequence[Path], num_samples: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return a random part of a random file, shorter than asked for if the file is."""
    path = Path(_choose(paths, rng))
    place, needed_s = rng.random(), num_samples / SAMPLE_RATE_HZ
    spare_s = max(0.0, (read_duration(path) or 0.0) - needed_s)
    return load_segment(path, place * spare_s, needed_s)[:num_samples]


def _check_subset(name: str, values: Sequence[str], allowed: Sequence[str]) -> None:
    if not values or not set(values) <= set(allowed):
        raise InputError(f"{name} must be some of {', '.join(allowed)}, got {list(values)}")
