"""A second voice lies where it should, as loud as it should."""

import numpy as np
import pytest

from wav2vec2_conformer.data.mixing import build_babble, mix_voices
from wav2vec2_conformer.data.noise import mean_power


def voice(seed, num_samples=8_000, level=0.1):
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(num_samples)).astype(np.float32)


def test_second_voice_is_added_from_its_start_at_its_ratio():
    first, second = voice(0), voice(1, 3_000, level=0.7)
    mixed = mix_voices(first, second, 6.0, 2_000)
    added = mixed - first
    assert not added[:2_000].any()
    assert not added[5_000:].any()
    ratio_db = 10 * np.log10(mean_power(first) / mean_power(added[2_000:5_000]))
    assert ratio_db == pytest.approx(6.0, abs=0.05)
    assert np.corrcoef(added[2_000:5_000], second)[0, 1] > 0.999


def test_what_goes_beyond_the_end_is_cut_off_and_silence_changes_nothing():
    first = voice(0)
    mixed = mix_voices(first, voice(1), 0.0, 7_000)
    assert mixed.size == first.size
    np.testing.assert_array_equal(mix_voices(first, np.zeros(10, np.float32), 0.0, 0), first)


def test_babble_has_every_voice_equally():
    voices = [voice(1, 8_000, 0.01), voice(2, 3_000, 1.0), np.zeros(50, np.float32)]
    babble = build_babble(voices, 8_000, np.random.default_rng(0))
    assert mean_power(babble) == pytest.approx(2.0, rel=0.1)
    spectrum = np.fft.rfft(babble)
    match = np.fft.irfft(spectrum * np.conj(np.fft.rfft(voices[0])))
    share = np.abs(match).max() / np.sqrt(np.sum(babble**2) * np.sum(voices[0] ** 2))
    assert share == pytest.approx(np.sqrt(0.5), abs=0.05)
