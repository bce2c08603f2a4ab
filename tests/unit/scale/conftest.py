"""Clips of noise with a manifest, and a worker of the bundled model in this process."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wav2vec2_conformer.scale.worker import PartWorker, WorkerSettings

RATE_HZ = 16_000
LENGTHS_S = (1.2, 0.5, 0.9, 1.6, 0.7)


def as_flac(length_s: float) -> bytes:
    """Noise that differs with its length, as a file."""
    rng = np.random.default_rng(round(length_s * 1000))
    buffer = io.BytesIO()
    noise = rng.normal(0, 0.1, round(length_s * RATE_HZ))
    soundfile.write(buffer, noise, RATE_HZ, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    """A folder with 0.flac to 4.flac."""
    folder = tmp_path / "audio"
    folder.mkdir()
    for number, length_s in enumerate(LENGTHS_S):
        (folder / f"{number}.flac").write_bytes(as_flac(length_s))
    return folder


@pytest.fixture
def manifest(audio: Path) -> Path:
    """All clips, in one folder with them."""
    path = audio / "manifest.jsonl"
    lines = [
        {"audio_filepath": f"{number}.flac", "duration": length_s}
        for number, length_s in enumerate(LENGTHS_S)
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@pytest.fixture
def worker(tmp_path: Path) -> PartWorker:
    """Writes into the folder `out`."""
    return PartWorker(WorkerSettings(device="cpu"), str(tmp_path / "out"))
