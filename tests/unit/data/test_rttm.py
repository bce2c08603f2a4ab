"""RTTM and UEM, written and read."""

from pathlib import Path

import pytest

from wav2vec2_conformer.data.rttm import format_rttm, read_rttm
from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.data.uem import format_uem, read_uem
from wav2vec2_conformer.errors import ManifestError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    first = (SpeakerTurn(0.0, 1.25, "Zoë"), SpeakerTurn(0.5, 2.0, "b"))
    second = (SpeakerTurn(3.125, 4.0, "b"),)
    text = format_rttm("one", reversed(first)) + format_rttm("two", second)
    assert text.splitlines()[0] == "SPEAKER one 1 0.000 1.250 <NA> <NA> Zoë <NA> <NA>"
    assert read_rttm(write(tmp_path / "x.rttm", text)) == {"one": first, "two": second}


def test_white_space_in_names_does_not_shift_columns(tmp_path: Path) -> None:
    text = format_rttm("my file", [SpeakerTurn(0, 1, "Ann Lee")])
    assert read_rttm(write(tmp_path / "x.rttm", text)) == {
        "my_file": (SpeakerTurn(0, 1, "Ann_Lee"),)
    }


def test_comments_other_types_and_turns_of_no_length_are_passed_over(tmp_path: Path) -> None:
    text = (
        ";; a comment\n\n"
        "SPKR-INFO one 1 <NA> <NA> <NA> unknown a <NA>\n"
        "SPEAKER one 1 1.0 0.0 <NA> <NA> a\n"
        "SPEAKER one 1 2.0 1.0 <NA> <NA> a <NA>\n"
    )
    assert read_rttm(write(tmp_path / "x.rttm", text)) == {"one": (SpeakerTurn(2.0, 3.0, "a"),)}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("one 1 0 1 a", "no type of RTTM"),
        ("SPEAKER one 1 0 1", "expected SPEAKER recording"),
        ("SPEAKER one 1 x 1 <NA> <NA> a", "got 'x'"),
        ("SPEAKER one 1 0 -1 <NA> <NA> a", "got '-1'"),
        ("SPEAKER one 1 nan 1 <NA> <NA> a", "got 'nan'"),
    ],
)
def test_a_line_that_is_no_rttm_is_refused_with_its_number(
    tmp_path: Path, line: str, words: str
) -> None:
    path = write(tmp_path / "x.rttm", f"SPEAKER one 1 0 1 <NA> <NA> a\n{line}\n")
    with pytest.raises(ManifestError, match=f"x.rttm, line 2: .*{words}"):
        read_rttm(path)


def test_scored_parts_are_read_back_sorted(tmp_path: Path) -> None:
    parts = {"one": [(5.0, 7.5), (0.0, 2.0)], "two": [(1.0, 2.0)]}
    assert read_uem(write(tmp_path / "x.uem", format_uem(parts))) == {
        "one": ((0.0, 2.0), (5.0, 7.5)),
        "two": ((1.0, 2.0),),
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one 1 0\n", "line 1: expected recording channel start end"),
        ("one 1 2 2\n", "not after its start"),
        ("one 1 0 2\none 1 1 3\n", "parts of one overlap"),
    ],
)
def test_parts_that_cannot_be_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        read_uem(write(tmp_path / "x.uem", text))
