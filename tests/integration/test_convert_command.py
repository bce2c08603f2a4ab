"""`wav2vec2-conformer convert`: every way there and back, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from wav2vec2_conformer.checkpoints.bundled import bundled_checkpoint_path, bundled_clips

from .conftest import Command


@pytest.fixture
def fairseq_file(run: Command, checkpoint: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    code, out, err = run("convert", checkpoint, path, "--to", "fairseq")
    assert (code, out) == (0, f"{path}\n"), err
    return path


def test_there_and_back_gives_the_same_weights_and_transcripts(
    run: Command, checkpoint: Path, fairseq_file: Path, clips: list[Path], tmp_path: Path
) -> None:
    back = tmp_path / "new" / "back"
    code, out, err = run("convert", fairseq_file, back)
    assert (code, out) == (0, f"{back}\n")
    assert "outputs differ by at most 0" in err
    before, after = (load_file(f / "model.safetensors") for f in (checkpoint, back))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    transcripts = [run("transcribe", "-m", folder, *clips)[1] for folder in (checkpoint, back)]
    assert transcripts[0] == transcripts[1] != ""
    config = json.loads((back / "config.json").read_text())
    assert config["converted_from"]["file"] == "model.pt"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["back"]


def test_quiet_and_unchecked(run: Command, fairseq_file: Path, tmp_path: Path) -> None:
    code, out, err = run("convert", fairseq_file, tmp_path / "out", "-q", "--no-check")
    assert (code, out, err) == (0, f"{tmp_path / 'out'}\n", "")


def test_other_commands_name_convert(run: Command, fairseq_file: Path, clips: list[Path]) -> None:
    code, out, err = run("transcribe", "-m", fairseq_file, clips[0])
    assert (code, out) == (1, "")
    assert f"wav2vec2-conformer convert {fairseq_file} FOLDER" in err


def test_an_existing_output_stays_unless_told(
    run: Command, fairseq_file: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "old").touch()
    (output / "config.json").touch()
    code, _, err = run("convert", fairseq_file, output)
    assert code == 2
    assert "--overwrite" in err
    assert (output / "old").exists()
    assert run("convert", fairseq_file, output, "--overwrite")[0] == 0
    assert not (output / "old").exists()
    code, _, err = run("convert", fairseq_file, fairseq_file, "--overwrite", "--to", "fairseq")
    assert code == 2
    assert "in the source" in " ".join(err.replace("│", " ").split())


def test_a_folder_of_other_things_is_never_replaced(
    run: Command, fairseq_file: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / "thesis").mkdir(parents=True)
    (home / "config.json").touch()
    for arguments in ([home], [home / "config.json"], [home, "--to", "fairseq"]):
        code, _, err = run("convert", fairseq_file, *arguments, "--overwrite")
        assert code == 2
        assert "not replaced" in " ".join(err.replace("│", " ").split())
    assert (home / "thesis").is_dir()
    (home / "thesis").rmdir()
    (home / "notes").touch()
    (home / "config.json").unlink()
    assert run("convert", fairseq_file, home, "--overwrite")[0] == 2


def test_a_failure_leaves_nothing(run: Command, fairseq_file: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    data = fairseq_file.read_bytes()
    fairseq_file.write_bytes(data[: len(data) // 2])
    code, out, err = run("convert", fairseq_file, tmp_path / "out")
    assert (code, out) == (1, "")
    assert "cut off" in err
    assert sorted(tmp_path.iterdir()) == before


@pytest.fixture
def without_dictionary(tmp_path: Path) -> Path:
    """The bundled English model without its vocabulary."""
    bundled = bundled_checkpoint_path()
    source = tmp_path / "weights"
    source.mkdir()
    for name in ("config.json", "model.safetensors", "preprocessor_config.json"):
        (source / name).write_bytes((bundled / name).read_bytes())
    return source


def test_a_fine_tuned_model_needs_its_dictionary(
    run: Command, without_dictionary: Path, tmp_path: Path
) -> None:
    code, _, err = run("convert", without_dictionary, tmp_path / "out")
    assert code == 1
    assert "dict.ltr.txt" in err
    assert "--try-dictionaries" in err
    assert run("convert", without_dictionary, tmp_path / "out", "--no-strict")[0] == 0
    assert not (tmp_path / "out" / "vocab.json").exists()


def test_the_dictionary_that_makes_sense_is_taken(
    run: Command, without_dictionary: Path, tmp_path: Path
) -> None:
    clip = next(path for path in bundled_clips() if "synthetic_letter" in path.name)
    wrong = tmp_path / "dict.wrong.txt"
    wrong.write_text("".join(f"{letter} 1\n" for letter in "|ZQJXKVBPYGFWCMULDRSHINOATE'"))
    code, out, err = run(
        "convert",
        without_dictionary,
        tmp_path / "out",
        "--try-dictionaries",
        clip,
        "--dictionary",
        wrong,
    )
    assert (code, out) == (0, f"{tmp_path / 'out'}\n"), err
    assert str(wrong) in err
    vocabularies = [
        json.loads((folder / "vocab.json").read_text())
        for folder in (tmp_path / "out", bundled_checkpoint_path())
    ]
    assert vocabularies[0] == vocabularies[1]


def test_several_dictionaries_need_a_clip(run: Command, fairseq_file: Path, tmp_path: Path) -> None:
    code, _, err = run(
        "convert", fairseq_file, tmp_path / "out", "--dictionary", "a", "--dictionary", "b"
    )
    assert code == 2
    assert "--try-dictionaries" in err


def test_the_mean_of_checkpoints_is_written(run: Command, checkpoint: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(checkpoint, moved)
    weights = load_file(moved / "model.safetensors")
    weights["lm_head.bias"] += 1
    save_file(weights, moved / "model.safetensors", metadata={"format": "pt"})
    others = ("--average", moved, "--average", checkpoint, "--average", checkpoint)
    code, out, err = run("convert", checkpoint, tmp_path / "mean", *others)
    assert (code, out) == (0, f"{tmp_path / 'mean'}\n"), err
    assert "the mean of 4 checkpoints" in err
    mean = load_file(tmp_path / "mean" / "model.safetensors")["lm_head.bias"]
    torch.testing.assert_close(mean, weights["lm_head.bias"] - 0.75)


def test_checkpoints_of_other_models_have_no_mean(
    run: Command, checkpoint: Path, tmp_path: Path
) -> None:
    bundled = bundled_checkpoint_path()
    code, out, err = run("convert", checkpoint, tmp_path / "mean", "--average", bundled)
    assert (code, out) == (1, "")
    assert "cannot be averaged: their settings differ" in err
    assert not (tmp_path / "mean").exists()


def test_an_averaged_checkpoint_is_not_replaced(run: Command, checkpoint: Path) -> None:
    code, _, err = run(
        "convert", bundled_checkpoint_path(), checkpoint, "--average", checkpoint, "--overwrite"
    )
    assert code == 2
    assert "in the source" in " ".join(err.replace("│", " ").split())
