"""`wav2vec2-conformer layer-probe`."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from .conftest import RATE_HZ, Command


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Twenty-four clips of four speakers: low and high tones in noise."""
    rng = np.random.default_rng(0)
    time_s = np.arange(RATE_HZ // 2) / RATE_HZ
    lines = []
    for number in range(24):
        label = ("low", "high")[number % 2]
        pitch_hz = {"low": 200, "high": 3000}[label] * rng.uniform(0.9, 1.1)
        samples = 0.3 * np.sin(2 * np.pi * pitch_hz * time_s) + rng.normal(0, 0.02, time_s.size)
        soundfile.write(tmp_path / f"{number}.wav", samples, RATE_HZ)
        row = {"audio_filepath": f"{number}.wav", "duration": 0.5, "label": label}
        lines.append({**row, "speaker": f"s{number // 6}"})
    path = tmp_path / "clips.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_every_layer_has_a_row(
    run: Command, checkpoint: Path, manifest: Path, tmp_path: Path
) -> None:
    plot = tmp_path / "layers.png"
    code, out, err = run("layer-probe", manifest, "-m", checkpoint, "--plot", plot)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"{manifest}: 24 clips, 2 labels; whole speakers held out in 4")
    names = [line.split()[0] for line in lines[2:-1]]
    assert names == ["0", "1", "2", "weighted", "MFCC", "majority"]
    assert "best layer:" in lines[-1]
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_json_has_the_same_numbers(run: Command, checkpoint: Path, manifest: Path) -> None:
    arguments = ["layer-probe", manifest, "-m", checkpoint, "--valid", manifest]
    code, out, _ = run(*arguments, "--json")
    report = json.loads(out)
    assert code == 0
    assert (report["num_clips"], report["grouping"], report["num_folds"]) == (24, "given", 1)
    scores = {system["name"]: system["accuracy"] for system in report["systems"]}
    assert scores["majority"] == 0.5
    assert scores["MFCC"] == 1.0
    _, table, _ = run(*arguments)
    [row] = [line for line in table.splitlines() if line.split()[0] == report["best"]]
    assert f"{scores[report['best']]:.4f}" in row


def test_a_clip_that_cannot_be_read_is_left_out(
    run: Command, checkpoint: Path, manifest: Path
) -> None:
    (manifest.parent / "3.wav").write_bytes(b"no audio")
    code, out, err = run("layer-probe", manifest, "-m", checkpoint)
    assert code == 3
    assert "23 clips" in out
    assert "1 of 24 inputs failed" in err
    assert "3.wav" in err


def test_clips_without_labels_are_refused(run: Command, checkpoint: Path, manifest: Path) -> None:
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    del lines[4]["label"]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, out, err = run("layer-probe", manifest, "-m", checkpoint)
    assert (code, out) == (1, "")
    assert "clip 5 (4.wav): has no label" in err


def test_a_plot_into_no_folder_is_wrong_usage(run: Command, manifest: Path, tmp_path: Path) -> None:
    code, _, err = run("layer-probe", manifest, "--plot", tmp_path / "no" / "layers.png")
    assert code == 2
    assert "there is no folder" in err
