"""Freed memory stays in a process that trains."""

import subprocess
import sys

import pytest

from wav2vec2_conformer.training import freed_memory

COUNT_FAULTS = """
import resource, sys
import numpy as np
from wav2vec2_conformer.training.freed_memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    before = faults()
    blocks = [np.ones(8_000_000) for _ in range(4)]  # 256 MB
    del blocks
print(faults() - before)
"""


def _faults(choice: str) -> int:
    command = [sys.executable, "-c", COUNT_FAULTS, choice]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_pages_of_freed_blocks_are_used_again() -> None:
    assert _faults("leave") > 500
    assert _faults("keep") < 100


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not freed_memory.keep_freed_memory()
