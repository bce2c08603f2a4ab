"""Samples are read by position, whatever the blocks."""

import numpy as np
import pytest

from wav2vec2_conformer.audio.samples import SampleReader

SAMPLES = np.arange(1_000, dtype=np.float32)


def reader(block_samples: int) -> SampleReader:
    return SampleReader(SAMPLES[i : i + block_samples] for i in range(0, 1_000, block_samples))


@pytest.mark.parametrize("block_samples", [1, 7, 100, 1_000])
def test_looking_ahead_passes_over_nothing(block_samples: int) -> None:
    samples = reader(block_samples)
    for num_samples in (0, 5, 300, 10):
        np.testing.assert_array_equal(samples.peek(num_samples), SAMPLES[:num_samples])
    assert samples.position == 0


@pytest.mark.parametrize("block_samples", [1, 7, 100, 1_000])
def test_positions_are_counted_from_the_start(block_samples: int) -> None:
    samples = reader(block_samples)
    for position in (0, 3, 3, 250, 251, 999):
        samples.skip_to(position)
        assert samples.position == position
        np.testing.assert_array_equal(samples.peek(20), SAMPLES[position : position + 20])


def test_the_end_is_no_error() -> None:
    samples = reader(300)
    np.testing.assert_array_equal(samples.peek(5_000), SAMPLES)
    samples.skip_to(5_000)
    assert samples.position == 1_000
    assert samples.peek(1).size == 0
    assert samples.skip_to_end() == 1_000


@pytest.mark.parametrize("position", [0, 450, 1_000])
def test_all_samples_are_counted(position: int) -> None:
    samples = reader(300)
    samples.skip_to(position)
    samples.peek(100)
    assert samples.skip_to_end() == 1_000


def test_little_is_kept() -> None:
    import tracemalloc

    samples = SampleReader(np.zeros(16_000, np.float32) for _ in range(2_000))
    tracemalloc.start()
    for position in range(0, 30_000_000, 100_000):
        samples.skip_to(position)
        samples.peek(200_000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 4 * 200_000 * 4
