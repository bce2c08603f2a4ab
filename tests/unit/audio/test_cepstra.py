"""Cepstral coefficients of sounds whose spectrum is known."""

import numpy as np
import pytest

from wav2vec2_conformer.audio.cepstra import NUM_CEPSTRA, compute_cepstra, summarize_cepstra
from wav2vec2_conformer.errors import AudioError

RATE_HZ = 16_000


def tone(frequency_hz: float, level: float = 0.1) -> np.ndarray:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    return (level * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def test_there_is_a_frame_every_ten_milliseconds() -> None:
    assert compute_cepstra(tone(440)).shape == (98, NUM_CEPSTRA)


def test_loudness_is_in_the_first_coefficient_alone() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE_HZ).astype(np.float32)
    quiet, loud = compute_cepstra(noise), compute_cepstra(noise * 10)
    # Of 40 bands, each a factor of 100 louder.
    np.testing.assert_allclose((loud - quiet)[:, 0], 40 * np.log(100), rtol=1e-4)
    np.testing.assert_allclose((loud - quiet)[:, 1:], 0, atol=1e-3)


def test_the_second_coefficient_tells_low_from_high() -> None:
    low, high = summarize_cepstra(tone(200)), summarize_cepstra(tone(6000))
    assert low[1] > 0 > high[1]


def test_the_same_sound_at_another_rate_is_similar() -> None:
    at_8k = summarize_cepstra(tone(1000)[::2], 8_000)
    assert at_8k.shape == (2 * NUM_CEPSTRA,)
    assert at_8k[NUM_CEPSTRA:].max() < 5  # a steady tone


def test_less_than_a_frame_is_refused() -> None:
    with pytest.raises(AudioError, match=r"0\.019 s long, shorter than a frame"):
        summarize_cepstra(np.zeros(300, np.float32))
