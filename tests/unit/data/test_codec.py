"""A telephone keeps its band, loses the rest, and adds its codec's noise."""

import numpy as np
import pytest

from wav2vec2_conformer.data.codec import limit_band, send_by_telephone
from wav2vec2_conformer.errors import InputError


def tone(hz, num_samples=16_000):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(num_samples) / 16_000)).astype(np.float32)


def level_db(waveform):
    return 10 * np.log10(np.mean(waveform.astype(np.float64) ** 2) + 1e-20)


@pytest.mark.parametrize(("hz", "gain_db"), [(100, -60), (500, 0), (3_000, 0), (5_000, -60)])
def test_band_keeps_what_is_inside(hz, gain_db):
    change_db = level_db(limit_band(tone(hz), 300, 3_400)) - level_db(tone(hz))
    assert change_db == pytest.approx(gain_db, abs=0.1) if gain_db == 0 else change_db < gain_db


def test_lower_edge_may_be_none():
    constant = np.full(1_000, 0.5, np.float32)
    np.testing.assert_allclose(limit_band(constant, 0, 4_000), constant, atol=1e-6)
    with pytest.raises(InputError, match="below high_hz, got 500, 300"):
        limit_band(constant, 500, 300)


@pytest.mark.parametrize(
    ("codec", "min_snr_db", "max_snr_db"), [("mulaw", 30, 45), ("alaw", 30, 45), ("gsm", 5, 25)]
)
def test_codec_adds_its_noise_in_time_with_the_signal(codec, min_snr_db, max_snr_db):
    rng = np.random.default_rng(0)
    clean = limit_band(0.1 * rng.standard_normal(16_123).astype(np.float32), 500, 1_500)
    sent = send_by_telephone(clean, codec)
    assert (sent.shape, sent.dtype) == (clean.shape, np.float32)
    inside = slice(200, -200)
    snr_db = level_db(clean[inside]) - level_db((sent - clean)[inside])
    assert min_snr_db < snr_db < max_snr_db


@pytest.mark.parametrize("codec", ["mulaw", "alaw", "gsm"])
@pytest.mark.parametrize("num_samples", [1, 7, 319, 321])
def test_short_clips_keep_their_length(codec, num_samples):
    assert send_by_telephone(tone(1_000, num_samples), codec).shape == (num_samples,)


def test_too_loud_is_clipped_and_an_unknown_codec_refused():
    assert np.abs(send_by_telephone(10 * tone(1_000), "mulaw")).max() < 1.4
    with pytest.raises(InputError, match="codec must be one of mulaw, alaw, gsm, got 'g729'"):
        send_by_telephone(tone(1_000), "g729")
