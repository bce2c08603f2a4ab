"""`check-data` reads everything, says what it drops, and writes a manifest that is clean."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner, Result

from wav2vec2_conformer.cli.check_data import check_data
from wav2vec2_conformer.data.manifest import read_manifest
from wav2vec2_conformer.text.vocabulary import read_vocabulary

TIME = np.arange(16_000) / 16_000


def run_command(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(check_data)
    return CliRunner().invoke(app, ["--num-workers", "0", *map(str, arguments)])


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two good clips, a wrong duration, a copy, a silent clip, a missing file, a long text."""
    clips = {name: 0.3 * np.sin(2 * np.pi * hz * TIME) for name, hz in {"a": 300, "b": 500}.items()}
    clips |= {"copy": clips["a"], "silent": 0 * TIME, "long": 0.3 * np.sin(4_000 * TIME[:3_200])}
    texts = {"long": "a bad cafe had a cab", "b": "bad caf\u00e9"}
    rows = []
    for name, samples in clips.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, 16_000)
        rows.append(
            {
                "audio_filepath": f"{name}.wav",
                "duration": 3.0 if name == "b" else len(samples) / 16_000,
                "text": texts.get(name, "abba"),
                "speaker": name,
                "mic": "far",
            }
        )
    rows.append({"audio_filepath": "gone.wav", "duration": 1.0, "text": "ab"})
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_report_and_cleaned_manifest(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run_command(manifest, "-o", out, "--write-vocab", tmp_path / "vocab.json")
    assert result.exit_code == 3, result.output
    assert result.stdout == (out / "report.txt").read_text()
    report = json.loads((out / "report.json").read_text())
    assert {name: found["utterances"] for name, found in report["findings"].items()} == {
        "unreadable": 1,
        "silent": 1,
        "infeasible": 1,
        "duplicate": 1,
        "duration": 1,
    }
    kept = read_manifest(out / "clean.jsonl")
    assert [(u.audio_path.name, u.duration_s) for u in kept] == [("a.wav", 1.0), ("b.wav", 1.0)]
    assert kept[0].extra == {"mic": "far"}
    assert (out / "durations.png").read_bytes().startswith(b"\x89PNG")
    assert "Histogram of durations" in (out / "report.html").read_text()
    vocabulary = read_vocabulary(tmp_path / "vocab.json")
    assert list(vocabulary)[3:] == ["a", "b", "c", "d", "f", "\u00e9"]
    again = run_command(out / "clean.jsonl", "-o", tmp_path / "again", "--drop", "dc-offset")
    assert again.exit_code == 0, again.output
    assert "dropped 0" in again.stdout


def test_validation_data_must_not_overlap(manifest: Path, tmp_path: Path) -> None:
    valid = tmp_path / "valid.jsonl"
    valid.write_text(manifest.read_text().splitlines()[0] + "\n")
    arguments = (manifest, "--valid", valid, "-o", tmp_path / "out", "--drop", "valid-text")
    assert run_command(*arguments).exit_code == 3
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["findings"]["valid-audio"]["utterances"] == 2  # the clip and its copy
    assert report["findings"]["valid-text"]["dropped"]
    assert report["valid"]["summary"]["utterances"] == 1
    kept = read_manifest(tmp_path / "out" / "clean.jsonl")
    assert [u.audio_path.name for u in kept] == ["b.wav"]


def test_unknown_symbols_of_a_model(manifest: Path, tmp_path: Path, checkpoint: Path) -> None:
    result = run_command(manifest, "-o", tmp_path / "out", "-m", checkpoint)
    assert result.exit_code == 3
    assert "'\u00c9' LATIN CAPITAL LETTER E WITH ACUTE" in result.stdout


def test_arabic_is_written_without_diacritics_where_asked(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 0.3 * np.sin(2_000 * TIME), 16_000)
    (tmp_path / "m.csv").write_text("path,text\na.wav,\u0633\u0651\u064e\u0644\n", encoding="utf-8")
    for flags, text in (
        ((), "\u0633\u0651\u064e\u0644"),
        (("--strip-arabic-marks",), "\u0633\u0644"),
    ):
        assert run_command(tmp_path / "m.csv", "-o", tmp_path / "out", *flags).exit_code == 0
        (kept,) = read_manifest(tmp_path / "out" / "clean.jsonl")
        assert kept.text == text


def test_audio_of_shards_is_written_out(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.flac", 0.3 * np.sin(2_000 * TIME), 16_000)
    (tmp_path / "x.txt").write_text("good day")
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        for name in ("x.flac", "x.txt"):
            archive.add(tmp_path / name, name)
    assert run_command(tmp_path / "s.tar", "-o", tmp_path / "out").exit_code == 0
    (kept,) = read_manifest(tmp_path / "out" / "clean.jsonl")
    assert kept.audio_path == tmp_path / "out" / "audio" / "data-0" / "00000000.flac"
    assert (kept.text, kept.duration_s) == ("good day", 1.0)


def test_nothing_left_is_1_and_wrong_usage_2(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run_command(manifest, "-o", out, "--max-duration-s", "0.01").exit_code == 1
    assert (out / "clean.jsonl").read_text() == ""
    for wrong in (("--drop", "noise"), ("-m", "x", "--vocab", "y"), ("--write-vocab", "no/v.json")):
        assert run_command(manifest, "-o", out, *wrong).exit_code == 2


def test_help_does_not_load_torch() -> None:
    source = "import wav2vec2_conformer.cli.check_data, sys; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
