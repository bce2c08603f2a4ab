"""Speed and memory."""

import os
import sys

import psutil
import pytest

from wav2vec2_conformer.evaluation.timing import Speed, peak_memory_mb


def test_speed_is_audio_per_second():
    assert Speed(audio_s=30.0, wall_s=2.0).times_real_time == 15.0
    assert Speed(audio_s=0.0, wall_s=0.0).times_real_time == 0.0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such number")
def test_peak_memory_is_in_megabytes():
    now_mb = psutil.Process(os.getpid()).memory_info().rss / 1e6
    assert 0.9 * now_mb <= peak_memory_mb() < 100 * now_mb
    block = b"x" * 100_000_000
    assert peak_memory_mb() >= now_mb + 0.9 * len(block) / 1e6
