"""Each change does what it says, from the given generator alone."""

import numpy as np
import pytest

from wav2vec2_conformer.data.augmentation import Augmentation, change_speed, clip_peaks
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


ALL = {
    "noise_probability": 1.0,
    "room_probability": 1.0,
    "mixing_probability": 1.0,
    "clipping_probability": 1.0,
    "telephone_probability": 1.0,
}


@pytest.fixture
def clips(tmp_path, make_clip):
    return [make_clip(tmp_path / f"{i}.wav", 1.0 + i, hz=200 * (i + 1)) for i in range(3)]


@pytest.mark.parametrize("name", list(ALL))
def test_each_change_is_seeded_happens_and_keeps_the_length(clips, name):
    augmentation = Augmentation(**{name: 1.0}, voice_paths=clips)
    first, second, other = (
        augmentation.apply(tone(), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first.shape, first.dtype) == (tone().shape, np.float32)
    assert not np.array_equal(first, tone())
    assert not np.array_equal(first, other)


def test_probability_is_a_share_of_the_clips():
    augmentation = Augmentation(clipping_probability=0.3)
    rng = np.random.default_rng(0)
    waveform = tone(num_samples=100)
    changed = sum(augmentation.apply(waveform, rng) is not waveform for _ in range(1_000))
    assert changed == pytest.approx(300, abs=45)


@pytest.mark.parametrize("kind", ["babble", "recorded"])
def test_noise_of_recordings_has_their_frequency(clips, kind):
    augmentation = Augmentation(
        noise_probability=1.0,
        noise_kinds=[kind],
        noise_snr_db=(0, 0),
        noise_paths=clips[:1],
        voice_paths=clips[:1],
    )
    added = augmentation.apply(tone(3_000), np.random.default_rng(0)) - tone(3_000)
    assert np.argmax(np.abs(np.fft.rfft(added))) == pytest.approx(200, abs=3)
    assert np.mean(added**2) == pytest.approx(0.5, rel=0.01)


def test_everything_at_once_is_finite(clips):
    augmentation = Augmentation(0.1, 6.0, **ALL, noise_kinds=["babble"], voice_paths=clips)
    for seed in range(5):
        changed = augmentation.apply(tone(), np.random.default_rng(seed))
        assert np.isfinite(changed).all()
        assert 16_000 / 1.1 - 1 <= changed.size <= 16_000 / 0.9 + 1


def test_peaks_are_cut_off():
    clipped = clip_peaks(tone(), 6.0)
    assert np.abs(clipped).max() == pytest.approx(10 ** (-6 / 20), rel=1e-3)
    assert np.mean(np.abs(clipped) == np.abs(clipped).max()) > 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"room_probability": 1.5}, r"room_probability must be 0 to 1, got 1\.5"),
        ({"noise_snr_db": (9, 3)}, "noise_snr_db must be a lower and an upper bound, got 9, 3"),
        ({"room_rt60_s": (0, 1)}, "room_rt60_s must be positive"),
        ({"clipping_db": (-1, 1)}, "clipping_db must be at least 0"),
        ({"noise_kinds": ["brown"]}, r"noise_kinds must be some of .* got \['brown'\]"),
        ({"telephone_codecs": []}, "telephone_codecs must be some of mulaw, alaw, gsm"),
        ({"noise_probability": 1, "noise_kinds": ["recorded"]}, "needs noise_paths"),
        ({"noise_probability": 1, "noise_kinds": ["babble"]}, "need voice_paths"),
        ({"mixing_probability": 1}, "need voice_paths"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Augmentation(**arguments)
