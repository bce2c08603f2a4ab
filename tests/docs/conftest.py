"""What the executed documents find around them: a tiny checkpoint and local audio."""

from pathlib import Path

import pytest

from .surroundings import save_checkpoint, save_recordings


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny random checkpoint."""
    folder = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(folder)
    return folder


@pytest.fixture
def audio_folder(tmp_path: Path) -> Path:
    """Return a folder with two made-up recordings, `speech.wav` and `other.flac`."""
    save_recordings(tmp_path)
    return tmp_path
