"""Noise has the spectrum of its name and the ratio that was asked for."""

import numpy as np
import pytest

from wav2vec2_conformer.data.noise import (
    add_noise,
    draw_pink_noise,
    draw_white_noise,
    mean_power,
)


def octave_power_db(noise, low_hz):
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequencies = np.fft.rfftfreq(noise.size, 1 / 16_000)
    # Power per hertz, as a density is.
    return 10 * np.log10(power[(frequencies >= low_hz) & (frequencies < 2 * low_hz)].mean())


@pytest.mark.parametrize(("draw", "slope_db"), [(draw_white_noise, 0.0), (draw_pink_noise, -3.0)])
def test_density_falls_by_so_much_an_octave(draw, slope_db):
    noise = draw(160_000, np.random.default_rng(0))
    assert noise.dtype == np.float32
    assert mean_power(noise) == pytest.approx(1.0, rel=0.02)
    levels = [octave_power_db(noise, 100 * 2**k) for k in range(6)]
    np.testing.assert_allclose(np.diff(levels), slope_db, atol=0.6)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
@pytest.mark.parametrize("num_noise_samples", [3_000, 16_000, 50_000])
def test_ratio_is_the_one_asked_for(snr_db, num_noise_samples):
    rng = np.random.default_rng(0)
    clean = 0.1 * draw_pink_noise(16_000, rng)
    noisy = add_noise(clean, 7 * draw_white_noise(num_noise_samples, rng), snr_db)
    measured_db = 10 * np.log10(mean_power(clean) / mean_power(noisy - clean))
    assert measured_db == pytest.approx(snr_db, abs=0.01)


def test_silence_has_no_ratio():
    clean, silence = draw_white_noise(100, np.random.default_rng(0)), np.zeros(100, np.float32)
    assert add_noise(clean, silence, 10.0) is clean
    assert add_noise(silence, clean, 10.0) is silence
