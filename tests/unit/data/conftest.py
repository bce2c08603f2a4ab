"""Clips of tones for the tests of data sets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture
def make_clip() -> Callable[..., Path]:
    def make(path: Path, duration_s: float = 1.0, rate_hz: int = 16_000, hz: float = 440.0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        time = np.arange(round(duration_s * rate_hz)) / rate_hz
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * hz * time), rate_hz)
        return path

    return make
