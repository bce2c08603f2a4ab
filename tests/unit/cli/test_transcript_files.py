"""Files that are written whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from wav2vec2_conformer.cli.transcript_files import write_text


def test_a_file_is_written_and_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "one\n")
    write_text(path, "مرحبا\n")
    assert path.read_bytes() == "مرحبا\n".encode()
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_a_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "")
    (tmp_path / "b.txt").write_text("")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    (tmp_path / "a.txt").write_text("old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(error)):
        write_text(tmp_path / "a.txt", "new")
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_the_longest_name_that_the_disk_takes_is_written(tmp_path: Path) -> None:
    longest = os.pathconf(tmp_path, "PC_NAME_MAX") if hasattr(os, "pathconf") else 200
    path = tmp_path / ("a" * (longest - 4) + ".txt")
    write_text(path, "x")
    assert path.read_text() == "x"


def test_what_is_no_text_is_escaped(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", '"\udcff"')
    assert (tmp_path / "a.json").read_text() == r'"\udcff"'
