import gzip
import io
import sys
from pathlib import Path

import pytest
import typer

from wav2vec2_conformer.cli.text_lines import check_text_files, iter_text_lines, normalize_lines
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.text.normalization import normalize_text


def test_plain_and_packed_files_are_read_one_after_another(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\ufeffone\ntwo", encoding="utf-8")
    (tmp_path / "b").write_bytes(gzip.compress("three\u2028four\n\nfive\n".encode()))
    names = [str(tmp_path / "a.txt"), str(tmp_path / "b")]
    assert [line.rstrip("\n") for line in iter_text_lines(names)] == [
        "one",
        "two",
        "three\u2028four",
        "",
        "five",
    ]


def test_standard_input_is_read_and_left_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "input"
    path.write_text("one\n")
    with path.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert list(iter_text_lines(["-"])) == ["one\n"]
        assert not stream.closed


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    assert list(iter_text_lines([str(tmp_path / "a.txt")])) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"fine\n\xe9t\xe9\n", "not UTF-8: .*Convert the text first"),
        (gzip.compress(b"fine\n" * 1000)[:-20], "cannot be read"),
        (b"\x1f\x8b\x08 no gzip", "cannot be read"),
    ],
)
def test_damage_is_told_with_the_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.txt, after line \d+: {message}"):
        list(iter_text_lines([str(path)]))


def test_missing_files_are_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="there is no file"):
        check_text_files(["-", str(tmp_path / "none.txt")])
    with pytest.raises(typer.BadParameter, match="read once only"):
        check_text_files(["-", "-"])


def test_lines_are_spelled_as_whole_texts_are() -> None:
    vocabulary = ["<pad>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'"]
    lines = [
        "Don\u2019t  stop \u2013 now!",
        "",
        "well-known; cafe\u0301 -- ...",
        "It\u2019s  3 o'clock\n",
    ]
    expected = [normalize_text(line, vocabulary) for line in lines]
    assert list(normalize_lines(lines, vocabulary)) == expected
    assert expected[0] == "DON'T STOP NOW"


def test_the_buffer_type_of_standard_input_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "packed"
    path.write_bytes(gzip.compress(b"one\n"))
    with io.TextIOWrapper(path.open("rb")) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert list(iter_text_lines(["-"])) == ["one\n"]
