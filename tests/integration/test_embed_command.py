"""`embed`: files that are right, resumed, and exit codes."""

import json
from pathlib import Path

import numpy as np
import pytest

from wav2vec2_conformer.inference.embedder import Embedder


@pytest.fixture(scope="module")
def embedder(checkpoint: Path) -> Embedder:
    return Embedder.from_pretrained(checkpoint, device="cpu")


def test_each_file_gets_its_vector(run, checkpoint, embedder, clips, tmp_path):
    code, out, err = run("embed", *clips, "-o", tmp_path / "out", "-m", checkpoint)
    assert (code, out) == (0, "")
    assert err == f"note: {clips[2]} -> {tmp_path / 'out' / 'a-2.npy'}\n"
    for clip, name in zip(clips, ["a", "b", "a-2"], strict=True):
        vector = np.load(tmp_path / "out" / f"{name}.npy")
        np.testing.assert_allclose(vector, embedder.embed(clip).vector, rtol=1e-4, atol=1e-5)


def test_frames_of_all_layers(run, checkpoint, clips, tmp_path):
    options = ("--level", "frame", "--layer", "all", "-m", checkpoint)
    assert run("embed", clips[0], "-o", tmp_path, *options)[0] == 0
    assert np.load(tmp_path / "a.npy").shape == (3, 49, 16)
    assert run("embed", clips[0], "-o", tmp_path, "--layer", "-2", "-m", checkpoint)[0] == 0
    assert np.load(tmp_path / "a.npy").shape == (16,)


def test_existing_files_are_left_out(run, checkpoint, clips, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.npy").write_text("mine")
    arguments = ("embed", *clips[:2], "-o", tmp_path / "out", "-m", checkpoint, "--skip-existing")
    code, _, err = run(*arguments)
    assert code == 0
    assert "skipped 1 of 2 inputs" in err
    assert (tmp_path / "out" / "a.npy").read_text() == "mine"
    assert np.load(tmp_path / "out" / "b.npy").shape == (16,)
    assert "skipped 2 of 2 inputs" in run(*arguments)[2]


def test_a_failing_file_does_not_stop_the_others(run, checkpoint, clips, tmp_path):
    missing = tmp_path / "missing.wav"
    report = tmp_path / "failures.jsonl"
    options = ("-o", tmp_path / "out", "-m", checkpoint, "--failures", report)
    code, _, err = run("embed", missing, clips[1], *options)
    assert code == 3
    assert "1 of 2 inputs failed" in err
    assert json.loads(report.read_text())["file"] == str(missing)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.npy"]
    assert run("embed", missing, *options)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--layer", "top"), "number, all or weighted"), (("--level", "word"), "word")],
)
def test_wrong_usage(run, checkpoint, clips, tmp_path, arguments, message):
    code, _, err = run("embed", clips[0], "-o", tmp_path, "-m", checkpoint, *arguments)
    assert code == 2
    assert message in " ".join(err.replace("│", " ").split())


def test_a_layer_that_is_not_there_is_one_line(run, checkpoint, clips, tmp_path):
    code, _, err = run("embed", clips[0], "-o", tmp_path, "-m", checkpoint, "--layer", "7")
    assert code == 1
    assert err.startswith("error: layer must be a number from 0 to 2")
