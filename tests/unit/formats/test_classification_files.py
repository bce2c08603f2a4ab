"""Classifications as files."""

import csv
import json

import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.formats.classification_files import format_classification
from wav2vec2_conformer.inference.classification import Classification, WindowScores

RESULT = Classification(
    source="a, b.wav",
    duration_s=3.00004,
    problem_type="single_label_classification",
    scores={"café": 0.75, 'line\nend, quote"': 0.25},
    windows=(
        WindowScores(0.0, 2.0, {"café": 1.0, 'line\nend, quote"': 0.0}),
        WindowScores(2.0, 3.00004, {'line\nend, quote"': 0.75, "café": 0.25}),
    ),
)


def test_txt_is_a_line_for_each_label() -> None:
    text = format_classification(RESULT, "txt")
    assert text == 'café\t0.7500\nline end, quote"\t0.2500\n'


def test_txt_has_the_windows_with_their_times() -> None:
    lines = format_classification(RESULT, "txt", windows=True).splitlines()
    assert len(lines) == 6
    assert lines[2] == "0.000\t2.000\tcafé\t1.0000"
    assert lines[4] == '2.000\t3.000\tline end, quote"\t0.7500'


@pytest.mark.parametrize("format_name", ["json", "jsonl"])
def test_json_reads_back(format_name: str) -> None:
    text = format_classification(RESULT, format_name, windows=True)
    assert "café" in text
    record = json.loads(text)
    assert record["schema_version"] == 1
    assert (record["file"], record["duration"]) == ("a, b.wav", 3.0)
    assert record["problem_type"] == "single_label_classification"
    assert record["scores"][0] == {"label": "café", "score": 0.75}
    assert [w["start"] for w in record["windows"]] == [0.0, 2.0]
    assert record["windows"][1]["scores"][0] == {"label": 'line\nend, quote"', "score": 0.75}


def test_jsonl_is_one_line_without_windows_unless_asked_for() -> None:
    text = format_classification(RESULT, "jsonl")
    assert text.count("\n") == 1
    assert "windows" not in json.loads(text)


def test_csv_reads_back() -> None:
    text = format_classification(RESULT, "csv", windows=True)
    rows = list(csv.DictReader(text.splitlines(keepends=True)))
    assert [row["window"] for row in rows] == ["", "", "0", "0", "1", "1"]
    assert rows[1] == {
        "file": "a, b.wav",
        "window": "",
        "start": "0.000",
        "end": "3.000",
        "label": 'line\nend, quote"',
        "score": "0.250000",
    }
    assert float(rows[4]["start"]) == 2.0


def test_csv_without_header_starts_with_a_row() -> None:
    assert format_classification(RESULT, "csv", header=False).startswith('"a, b.wav",,0.000')


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InputError, match="txt, json, jsonl, csv, but is 'srt'"):
        format_classification(RESULT, "srt")
