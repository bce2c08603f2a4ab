"""Hypotheses of other programs, and our own, find their utterances."""

import json
from pathlib import Path

import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation.hypothesis_file import format_hypotheses, read_hypotheses
from wav2vec2_conformer.evaluation.recognition import Recognition
from wav2vec2_conformer.evaluation.reference_set import Reference


@pytest.fixture
def references(tmp_path: Path) -> list[Reference]:
    return [
        Reference(name, tmp_path / "set" / name, 1.0, text, None, {})
        for name, text in (("a.wav", "A"), ("more/b.wav", "B"), ("c.wav", "C"))
    ]


def write_lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_what_is_written_is_read_again(references, tmp_path):
    texts = {0: "eins", 2: "день\u2028"}
    path = tmp_path / "hypotheses.jsonl"
    path.write_text(format_hypotheses(Recognition("m", texts, {1: "broken"}), references))
    read = read_hypotheses(path, references)
    assert read.hypotheses == texts
    assert list(read.failures) == [1]
    assert "more/b.wav: " in read.failures[1]
    assert read.speed is None


def test_lines_may_come_in_any_order_and_from_more_files(references, tmp_path):
    path = write_lines(
        tmp_path / "x.jsonl",
        {"audio_filepath": "c.wav", "pred_text": "c"},
        {"audio_filepath": "another.wav", "pred_text": "?"},
        {"audio_filepath": "a.wav", "pred_text": ""},
    )
    assert read_hypotheses(path, references).hypotheses == {0: "", 2: "c"}


def test_files_are_found_by_path(references, tmp_path, monkeypatch):
    path = write_lines(
        tmp_path / "x.json",
        {"file": "set/a.wav", "text": "from the folder of the hypotheses"},
        {"file": str(tmp_path / "set" / "more" / "b.wav"), "text": "absolute"},
    )
    expected = {0: "from the folder of the hypotheses", 1: "absolute"}
    assert read_hypotheses(path, references).hypotheses == expected
    (tmp_path / "set").mkdir()
    monkeypatch.chdir(tmp_path / "set")
    path = write_lines(tmp_path / "y.jsonl", {"file": "./c.wav", "text": "from here"})
    assert read_hypotheses(path, references).hypotheses == {2: "from here"}


def test_a_text_file_has_a_line_for_each_utterance(references, tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("one\n\nthree\n", encoding="utf-8")
    read = read_hypotheses(path, references)
    assert (read.name, read.hypotheses) == (str(path), {0: "one", 1: "", 2: "three"})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", "one\n", "has 1 lines and the manifest 3 utterances"),
        ("x.jsonl", "{", "line 1: not JSON"),
        ("x.jsonl", "[]", "line 1: expected a JSON object with the strings audio_filepath"),
        ("x.jsonl", '\n{"audio_filepath": "a.wav"}', "line 2: expected a JSON object"),
        ("x.jsonl", '{"audio_filepath": "z.wav", "pred_text": ""}', "no line belongs to .*z.wav"),
        ("x.jsonl", "", "no line belongs"),
        (
            "x.jsonl",
            '{"file": "a.wav", "text": "a"}\n{"file": "a.wav", "text": "b"}',
            "line 2: a second, other hypothesis for a.wav",
        ),
    ],
)
def test_unusable_files_are_refused(references, tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_hypotheses(tmp_path / name, references)


def test_a_missing_file_is_told(references, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_hypotheses(tmp_path / "none.jsonl", references)
