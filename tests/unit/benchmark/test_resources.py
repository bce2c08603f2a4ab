"""Time and memory of a piece of work."""

import sys
import time

import numpy as np
import pytest

from wav2vec2_conformer.benchmark.resources import available_mb, measure, resident_mb


def test_work_is_timed_and_its_result_returned() -> None:
    result, usage = measure(lambda: time.sleep(0.05) or "done")
    assert result == "done"
    wall_s, cpu_s = usage["wall_s"], usage["cpu_s"]
    assert wall_s is not None
    assert cpu_s is not None
    assert wall_s >= 0.05
    assert cpu_s < wall_s  # it slept


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_is_the_peak_of_this_work_beyond_what_was_there() -> None:
    before = np.ones(10_000_000)  # 80 MB that are no part of the work
    measure(lambda: np.ones(20_000_000).sum())  # nor is an earlier peak of 160 MB
    _, usage = measure(lambda: np.ones(5_000_000).sum())
    memory_mb = usage["memory_mb"]
    assert memory_mb is not None
    assert 35 < memory_mb < 60
    assert before.nbytes / 1e6 < (resident_mb() or 0.0)
    assert (available_mb() or 0.0) > 0.0
