"""The quietest place is found, the latest of several."""

import numpy as np
import pytest

from wav2vec2_conformer.audio.silence import find_quiet_frame, frame_energy


def test_energy_is_the_mean_square_of_whole_frames() -> None:
    samples = np.array([1, -1, 2, 2, 3, 4, 9], np.float32)
    np.testing.assert_allclose(frame_energy(samples, 2), [1.0, 4.0, 12.5])


@pytest.mark.parametrize("quiet_frame", [30, 37, 50])
def test_the_quietest_frame_wins(quiet_frame: int) -> None:
    samples = np.random.default_rng(0).normal(size=100 * 320).astype(np.float32)
    samples[(quiet_frame - 2) * 320 : (quiet_frame + 2) * 320] *= 0.1
    samples[60 * 320 : 70 * 320] = 0  # quieter still, and out of range
    found = find_quiet_frame(
        samples, frame_samples=320, first_frame=30, end_frame=50, smoothing_frames=4
    )
    assert found == quiet_frame


def test_a_click_in_silence_is_not_a_place_to_cut() -> None:
    samples = np.full(100 * 320, 0.5, np.float32)
    samples[20 * 320 : 22 * 320] = 0.0  # a short gap
    samples[40 * 320 : 60 * 320] = 0.01  # a pause
    found = find_quiet_frame(
        samples, frame_samples=320, first_frame=10, end_frame=70, smoothing_frames=10
    )
    assert 44 <= found <= 56


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_the_latest_of_equals_wins(level: float) -> None:
    samples = np.full(50 * 320, level, np.float32)
    found = find_quiet_frame(
        samples, frame_samples=320, first_frame=10, end_frame=40, smoothing_frames=6
    )
    assert found == 40
