"""Log-probabilities in a temporary file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from wav2vec2_conformer.errors import AudioError, CheckpointError
from wav2vec2_conformer.inference.log_prob_file import LogProbFile


def test_rows_come_back_by_slices() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    with LogProbFile([rows[:20], rows[20:20], rows[20:]], vocab_size=7, name="a") as file:
        assert file.shape == (50, 7)
        for frames in (slice(0, 50), slice(3, 21), slice(45, 99), slice(9, 9), slice(None)):
            np.testing.assert_array_equal(file[frames], rows[frames])


def test_no_block_is_no_row() -> None:
    with LogProbFile([], vocab_size=7, name="a") as file:
        assert file.shape == (0, 7)
        assert file[0:5].shape == (0, 7)


def test_no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def blocks() -> Iterator[np.ndarray]:
        yield np.zeros((2, 7), np.float32)
        raise CheckpointError("not finite")

    with pytest.raises(CheckpointError):
        LogProbFile(blocks(), vocab_size=7, name="a")
    with LogProbFile([np.zeros((2, 7), np.float32)], vocab_size=7, name="a"):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("num_rows", [2, 10_000])
def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch, num_rows: int) -> None:
    full = Path("/dev/full").open("wb")  # noqa: SIM115  closed by what is tested
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)
    with pytest.raises(AudioError, match=r"a\.wav: .*temporary file.*28 bytes a frame.*TMPDIR"):
        LogProbFile([np.zeros((num_rows, 7), np.float32)], vocab_size=7, name="a.wav")
    assert full.closed
