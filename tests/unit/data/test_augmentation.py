"""Speed and gain do what they say, from the given generator alone."""

import numpy as np
import pytest

from wav2vec2_conformer.data.augmentation import Augmentation, change_speed
from wav2vec2_conformer.errors import InputError


def tone(frequency_hz=440.0, num_samples=16_000):
    return np.sin(2 * np.pi * frequency_hz * np.arange(num_samples) / 16_000).astype(np.float32)


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_speed_changes_duration_and_pitch(speed):
    fast = change_speed(tone(), speed)
    assert fast.dtype == np.float32
    assert len(fast) == pytest.approx(16_000 / speed, abs=2)
    peak_hz = np.argmax(np.abs(np.fft.rfft(fast))) * 16_000 / len(fast)
    assert peak_hz == pytest.approx(440 * speed, abs=2)


def test_speeds_stay_in_range_and_vary():
    augmentation = Augmentation(speed_perturbation=0.1)
    rng = np.random.default_rng(0)
    lengths = [len(augmentation.apply(tone(), rng)) for _ in range(50)]
    assert min(lengths) >= 16_000 / augmentation.max_speed - 1
    assert max(lengths) <= 16_000 / 0.9 + 1
    assert len(set(lengths)) > 40


def test_gain_stays_in_range():
    augmentation = Augmentation(gain_db=6.0)
    rng = np.random.default_rng(0)
    peaks = [np.abs(augmentation.apply(tone(), rng)).max() for _ in range(50)]
    assert 10 ** (-6 / 20) * 0.99 < min(peaks) < 0.7
    assert 1.4 < max(peaks) < 10 ** (6 / 20) * 1.01


def test_same_generator_state_gives_same_samples():
    augmentation = Augmentation(speed_perturbation=0.1, gain_db=3.0)
    first, second = (augmentation.apply(tone(), np.random.default_rng([1, 2])) for _ in "ab")
    np.testing.assert_array_equal(first, second)


def test_nothing_asked_changes_nothing():
    waveform = tone()
    assert Augmentation().apply(waveform, np.random.default_rng(0)) is waveform


@pytest.mark.parametrize(
    ("name", "value"),
    [("speed_perturbation", 1.0), ("speed_perturbation", -0.1), ("gain_db", -1.0)],
)
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(InputError, match=f"{name} must be at least 0.*got {value}"):
        Augmentation(**{name: value})
