"""Speech is found where it is, at any level, in noise and next to nothing."""

from collections.abc import Iterator

import numpy as np
import pytest

from wav2vec2_conformer.audio import load_audio
from wav2vec2_conformer.audio.speech_detection import check_speech_detection, find_speech
from wav2vec2_conformer.checkpoints.bundled import bundled_clips
from wav2vec2_conformer.errors import InputError

RATE_HZ = 16_000
METHODS = ["energy", "silero"]


def noise(duration_s: float, level: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, level, round(duration_s * RATE_HZ)).astype(np.float32)


def clip(number: int) -> np.ndarray:
    return load_audio(bundled_clips()[number])


def in_seconds(regions: list[tuple[int, int]]) -> list[tuple[float, float]]:
    return [(start / RATE_HZ, end / RATE_HZ) for start, end in regions]


def find(waveform: np.ndarray, method: str = "energy") -> list[tuple[float, float]]:
    return in_seconds(find_speech([waveform], method=method, sample_rate_hz=RATE_HZ))


def scene(*parts: np.ndarray, level: float) -> np.ndarray:
    joined = np.concatenate(parts)
    return joined + noise(len(joined) / RATE_HZ, level, seed=1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("noise_level", [0.0, 1e-4, 2e-3])
def test_speech_between_silences_is_one_region(method: str, noise_level: float) -> None:
    speech = clip(0)
    duration_s = len(speech) / RATE_HZ
    waveform = scene(noise(20, 0), speech, noise(40, 0), level=noise_level)
    [(start_s, end_s)] = find(waveform, method)
    assert 19.4 < start_s < 20.5
    assert 20 + duration_s - 0.5 < end_s < 20 + duration_s + 0.6


@pytest.mark.parametrize("gain", [0.003, 0.1, 1.0])
def test_the_level_of_the_recording_does_not_matter(gain: float) -> None:
    waveform = scene(noise(5, 0), clip(1), noise(5, 0), clip(2), level=1e-3)
    expected = find(waveform)
    assert len(expected) == 2
    np.testing.assert_allclose(find(waveform * np.float32(gain)), expected, atol=0.1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [0.0, 1e-4, 0.01, 0.3])
def test_nobody_speaks_in_steady_noise(method: str, level: float) -> None:
    assert find(noise(40, level), method) == []


def test_the_floor_follows_noise_that_changes() -> None:
    quiet = scene(noise(40, 0), clip(3), noise(40, 0), level=1e-4)
    loud = scene(noise(40, 0), clip(3), noise(40, 0), level=5e-3)
    first, *jump, last = find(np.concatenate([quiet, loud]))
    speech_s = len(clip(3)) / RATE_HZ
    assert first == pytest.approx((40, 40 + speech_s), abs=0.7)
    assert last == pytest.approx((120 + speech_s, 120 + 2 * speech_s), abs=0.7)
    # Where the noise jumps up, it is taken for speech until the floor has followed.
    assert all(80 < start < end < 80 + speech_s + 15 for start, end in jump)


@pytest.mark.parametrize("method", METHODS)
def test_a_recording_that_is_all_speech_is_kept(method: str) -> None:
    waveform = np.concatenate([clip(number) for number in range(len(bundled_clips()))])
    kept_s = sum(end - start for start, end in find(waveform, method))
    assert kept_s > 0.97 * len(waveform) / RATE_HZ


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("block_samples", [1_000, 16_001])
def test_the_size_of_blocks_changes_nothing(method: str, block_samples: int) -> None:
    waveform = scene(noise(3, 0), clip(0), noise(3, 0), clip(1), level=1e-3)

    def blocks() -> Iterator[np.ndarray]:
        return (waveform[i : i + block_samples] for i in range(0, len(waveform), block_samples))

    in_blocks = find_speech(blocks(), method=method, sample_rate_hz=RATE_HZ)
    assert in_seconds(in_blocks) == find(waveform, method)


@pytest.mark.parametrize("method", METHODS)
def test_regions_are_in_order_apart_and_inside(method: str) -> None:
    waveform = scene(clip(0), noise(2, 0), clip(1), noise(1.2, 0), clip(4), level=1e-4)
    regions = find_speech([waveform], method=method, sample_rate_hz=RATE_HZ, grid_samples=480)
    assert len(regions) > 1
    end_before = 0
    for start, end in regions:
        assert start % 480 == 0
        assert end_before <= start < end <= len(waveform)
        end_before = end


def test_a_short_silence_does_not_part_a_region() -> None:
    waveform = scene(noise(5, 0), clip(0), noise(0.5, 0), clip(1), noise(5, 0), level=1e-3)
    assert len(find(waveform)) == 1


def test_a_click_is_no_speech() -> None:
    waveform = noise(20, 1e-3)
    waveform[10 * RATE_HZ : 10 * RATE_HZ + 300] = 0.5
    assert find(waveform) == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("num_samples", [0, 1, 319, 320, 511, 513])
def test_nothing_to_hear_is_no_speech(method: str, num_samples: int) -> None:
    assert find(np.zeros(num_samples, np.float32), method) == []


def test_other_names_are_refused() -> None:
    check_speech_detection(None, RATE_HZ)
    check_speech_detection("energy", 8_000)
    with pytest.raises(InputError, match=r"energy, silero.*'webrtc'"):
        check_speech_detection("webrtc", RATE_HZ)
