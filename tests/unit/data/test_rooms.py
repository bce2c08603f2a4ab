"""Rooms have the reverberation time that was asked for, and keep what is said in its place."""

import numpy as np
import pytest

from wav2vec2_conformer.data.rooms import draw_room_response, reverberate
from wav2vec2_conformer.errors import InputError


def measure_rt60_s(response):
    """Schroeder 1965: the decay is the energy that is still to come; here -5 to -25 dB."""
    tail = response[1:].astype(np.float64)
    left = np.cumsum(tail[::-1] ** 2)[::-1]
    decay_db = 10 * np.log10(left / left[0] + 1e-30)
    inside = np.flatnonzero((decay_db < -5) & (decay_db > -25))
    slope, _ = np.polyfit(inside / 16_000, decay_db[inside], 1)
    return -60 / slope


@pytest.mark.parametrize("rt60_s", [0.2, 0.5, 1.0])
def test_reverberation_time_and_direct_ratio(rt60_s):
    response = draw_room_response(rt60_s, 6.0, np.random.default_rng(0))
    assert measure_rt60_s(response) == pytest.approx(rt60_s, rel=0.1)
    direct_db = 10 * np.log10(response[0] ** 2 / np.sum(response[1:] ** 2))
    assert direct_db == pytest.approx(6.0, abs=0.01)
    assert np.sum(response**2) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("num_samples", [1, 500, 16_000])
def test_playing_in_a_room_is_a_convolution(num_samples):
    rng = np.random.default_rng(0)
    waveform = rng.standard_normal(num_samples).astype(np.float32)
    response = draw_room_response(0.1, 3.0, rng)
    expected = np.convolve(waveform, response)[:num_samples]
    np.testing.assert_allclose(reverberate(waveform, response), expected, atol=2e-5)


def test_sound_does_not_move():
    waveform = np.zeros(16_000, np.float32)
    waveform[5_000] = 1.0
    heard = reverberate(waveform, draw_room_response(0.5, 6.0, np.random.default_rng(0)))
    assert np.argmax(np.abs(heard)) == 5_000
    assert np.abs(heard[:5_000]).max() < 1e-6
    assert np.abs(heard[6_000:8_000]).max() > 1e-3


def test_no_room_is_refused():
    with pytest.raises(InputError, match="rt60_s must be positive, got 0"):
        draw_room_response(0, 6.0, np.random.default_rng(0))
