"""Zero mean and unit variance, as the checkpoints were trained."""

import numpy as np
import pytest
from transformers import Wav2Vec2FeatureExtractor

from wav2vec2_conformer.audio import normalize_waveform


@pytest.mark.parametrize("num_samples", [1, 400, 160_000, 2_500_000])
def test_equals_transformers(num_samples: int) -> None:
    rng = np.random.default_rng(0)
    waveform = rng.normal(0.3, 0.02, num_samples).astype(np.float32)
    theirs = Wav2Vec2FeatureExtractor(do_normalize=True)(waveform, sampling_rate=16_000)
    np.testing.assert_allclose(normalize_waveform(waveform), theirs["input_values"][0], atol=2e-4)


def test_statistics_are_exact_over_blocks() -> None:
    waveform = np.random.default_rng(0).normal(5.0, 2.0, 3_000_000).astype(np.float32)
    normalized = normalize_waveform(waveform).astype(np.float64)
    assert normalized.mean() == pytest.approx(0.0, abs=1e-6)
    assert normalized.std() == pytest.approx(1.0, abs=1e-6)


def test_silence_stays_silent() -> None:
    np.testing.assert_array_equal(normalize_waveform(np.zeros(100, np.float32)), 0.0)


def test_can_work_in_place() -> None:
    waveform = np.random.default_rng(0).normal(0.1, 0.5, 1_000).astype(np.float32)
    expected = normalize_waveform(waveform)
    assert normalize_waveform(waveform, out=waveform) is waveform
    np.testing.assert_array_equal(waveform, expected)
