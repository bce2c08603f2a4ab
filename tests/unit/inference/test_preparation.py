"""Recordings and their parts are normalized as utterances are."""

from collections.abc import Iterator

import numpy as np
import pytest

from wav2vec2_conformer.audio import normalize_waveform
from wav2vec2_conformer.audio.normalization import WaveformStatistics
from wav2vec2_conformer.inference.preparation import Preparation, prepare


def noise(num_samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.1, 0.3, num_samples).astype(np.float32)


def blocks_of(waveform: np.ndarray, block_samples: int) -> Iterator[np.ndarray]:
    return (waveform[i : i + block_samples] for i in range(0, len(waveform), block_samples))


@pytest.mark.parametrize("block_samples", [1_000, 65_536, 10**6])
def test_a_recording_in_blocks_is_normalized_as_a_whole(block_samples: int) -> None:
    waveform = noise(300_000)
    preparation = prepare(
        list(blocks_of(waveform, block_samples)),
        normalizes=True,
        speech_detection=None,
        sample_rate_hz=16_000,
        frame_samples=320,
    )
    normalized = np.concatenate(list(preparation.normalize(blocks_of(waveform, block_samples))))
    np.testing.assert_allclose(normalized, normalize_waveform(waveform), atol=1e-6)
    assert preparation.regions is None


@pytest.mark.parametrize("block_samples", [100, 7_001, 10**6])
def test_each_region_is_normalized_as_a_recording_of_its_own(block_samples: int) -> None:
    waveform = noise(50_000) * np.linspace(0.1, 2.0, 50_000).astype(np.float32)
    regions = [(0, 640), (960, 9_000), (12_800, 41_000), (41_600, 50_000)]
    statistics = [WaveformStatistics([waveform[start:end]]) for start, end in regions]
    preparation = Preparation(regions, statistics)
    normalized = np.concatenate(list(preparation.normalize(blocks_of(waveform, block_samples))))
    assert len(normalized) == len(waveform)
    expected = np.zeros_like(waveform)
    for start, end in regions:
        expected[start:end] = normalize_waveform(waveform[start:end])
    np.testing.assert_allclose(normalized, expected, atol=1e-6)


def test_what_is_around_a_region_does_not_matter() -> None:
    speech = noise(48_000, 1) * np.sin(np.linspace(0, 60, 48_000)).astype(np.float32) ** 2
    silence = np.zeros(640_000, np.float32)
    options = {
        "normalizes": True,
        "speech_detection": "energy",
        "sample_rate_hz": 16_000,
        "frame_samples": 320,
    }
    alone = prepare([silence, speech, silence], **options)
    among = prepare([silence, speech, silence, speech * 20, silence], **options)
    assert alone.statistics is not None
    assert among.statistics is not None
    [own], [first, second] = alone.statistics, among.statistics
    assert first.scale == own.scale
    assert second.scale == pytest.approx(20 * own.scale, rel=0.05)


def test_checkpoints_that_want_plain_audio_get_it() -> None:
    waveform = noise(1_000)
    preparation = prepare(
        iter(()),
        normalizes=False,
        speech_detection=None,
        sample_rate_hz=16_000,
        frame_samples=320,
    )
    [block] = preparation.normalize([waveform])
    assert block is waveform
