"""The heads in the package: small, of the bundled encoder, and at work without --model."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from wav2vec2_conformer.checkpoints.bundled import (
    bundled_clips,
    bundled_head_path,
    bundled_heads,
)

from .conftest import Command


@pytest.mark.parametrize("name", ["diarization", "digits", "speaker"])
def test_a_head_is_small_and_has_a_card(name: str) -> None:
    assert name in bundled_heads()
    folder = bundled_head_path(name)  # refuses a head of another encoder
    assert sum(path.stat().st_size for path in folder.iterdir()) < 3e6
    assert not any(
        key.startswith("wav2vec2_conformer.") for key in load_file(folder / "head.safetensors")
    )
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: ")
    assert "## Measured" in card
    assert "train.py" in card


def test_two_clips_of_one_recording_are_of_one_speaker(run: Command) -> None:
    first, second = bundled_clips()[:2]
    code, out, err = run("verify", first, first, "--json")
    same = json.loads(out)
    assert (code, err) == (0, "")  # a threshold was measured
    assert same["score"] == pytest.approx(1, abs=1e-5)
    assert same["is_same_speaker"] is True
    _, out, _ = run("verify", first, second, "--json")
    assert json.loads(out)["score"] < same["score"]


def test_a_speaker_is_enrolled_and_found(run: Command, tmp_path: Path) -> None:
    clips = bundled_clips()
    store = tmp_path / "speakers.safetensors"
    assert run("enroll", "first", clips[0], "--store", store)[0] == 0
    assert run("enroll", "second", clips[-1], "--store", store)[0] == 0
    code, out, _ = run("verify", clips[0], "--store", store, "--json")
    assert code == 0
    assert json.loads(out)["speaker"] == "first"


def test_voices_are_embedded(run: Command, tmp_path: Path) -> None:
    clip = bundled_clips()[0]
    assert run("embed", clip, "-m", "bundled:speaker", "-o", tmp_path)[0] == 0
    vector = np.load(tmp_path / f"{clip.stem}.npy")
    assert vector.shape == (128,)
    assert np.isfinite(vector).all()
    assert run("embed", clip, "-o", tmp_path)[0] == 0  # without a model: the encoder's frames
    assert np.load(tmp_path / f"{clip.stem}.npy").shape == (192,)


def test_a_clip_gets_a_digit(run: Command) -> None:
    code, out, err = run("classify", bundled_clips()[0], "--top-k", "10")
    assert (code, err) == (0, "")
    labels = sorted(line.split("\t")[0] for line in out.splitlines())
    assert ",".join(labels) == "eight,five,four,nine,one,seven,six,three,two,zero"


def test_speech_is_found(run: Command, tmp_path: Path) -> None:
    clip = bundled_clips()[0]
    code, _, _ = run("diarize", clip, "-o", tmp_path)
    assert code == 0
    assert (tmp_path / f"{clip.stem}.rttm").read_text().startswith("SPEAKER ")


def test_an_analysis_runs_one_encoder(run: Command, tmp_path: Path) -> None:
    clip = bundled_clips()[0]
    code, out, err = run("analyze", clip, "-o", tmp_path)
    assert code == 0
    assert "different encoders" not in err
    assert out.startswith(f"{clip}: ")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".srt"]
