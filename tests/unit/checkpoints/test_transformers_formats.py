"""transformers' folders and single files, in and out."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import wav2vec2_conformer as package
from wav2vec2_conformer.checkpoints.equality import check_equality, load_model, run_on_noise
from wav2vec2_conformer.checkpoints.reading import read_checkpoint
from wav2vec2_conformer.checkpoints.transformers_writing import (
    limits_in_transformers,
    write_transformers,
)
from wav2vec2_conformer.errors import CheckpointError

HEADS = [
    "Model",
    "ForCTC",
    "ForPreTraining",
    "ForSequenceClassification",
    "ForAudioFrameClassification",
    "ForXVector",
]


@pytest.fixture
def folder(tmp_path: Path, tiny_config_kwargs: dict[str, Any]) -> Path:
    config = package.Wav2Vec2ConformerConfig(**tiny_config_kwargs, hidden_act="swish")
    torch.manual_seed(1)
    package.Wav2Vec2ConformerForCTC(config).save_pretrained(tmp_path / "in")
    return tmp_path / "in"


@pytest.mark.parametrize("head", HEADS)
def test_every_head_goes_through_unchanged(
    tmp_path: Path, tiny_config_kwargs: dict[str, Any], head: str
) -> None:
    config = package.Wav2Vec2ConformerConfig(**tiny_config_kwargs, num_labels=3)
    model = getattr(package, f"Wav2Vec2Conformer{head}")(config)
    model.save_pretrained(tmp_path / "in")
    checkpoint = read_checkpoint(tmp_path / "in")
    assert checkpoint.problems() == []
    assert checkpoint.model_class is type(model)
    write_transformers(checkpoint, tmp_path / "out")
    before, after = (load_file(tmp_path / f / "model.safetensors") for f in ("in", "out"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert check_equality(checkpoint, tmp_path / "out") == 0.0


def test_single_files_shards_and_old_names(folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    old = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in weights.items()
    }
    expected = run_on_noise(load_model(read_checkpoint(folder)))
    for name, tensors in (("a.bin", old), ("b.safetensors", weights), ("c.bin", weights)):
        path = tmp_path / name
        if path.suffix == ".bin":
            torch.save(tensors, path)
        else:
            save_file(tensors, path)
        with pytest.raises(CheckpointError, match=r"--config config\.json"):
            read_checkpoint(path)
        checkpoint = read_checkpoint(path, config=folder / "config.json")
        assert checkpoint.problems() == []
        assert torch.equal(run_on_noise(load_model(checkpoint))[0], expected[0])
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    shards = {f"pytorch_model-0000{i + 1}-of-00002.bin": names[i::2] for i in range(2)}
    for file, part in shards.items():
        torch.save({name: weights[name] for name in part}, folder / file)
    index = {"weight_map": {name: file for file, part in shards.items() for name in part}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert read_checkpoint(folder).problems() == []
    index["weight_map"]["a"] = "../elsewhere.bin"
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="outside its own folder"):
        read_checkpoint(folder)


def test_a_dictionary_names_the_outputs(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "dict.ltr.txt").write_text("".join(f"{c} 1\n" for c in "|ABCDEFG"))
    checkpoint = read_checkpoint(folder, dictionary=tmp_path / "dict.ltr.txt")
    assert checkpoint.vocabulary is not None
    assert list(checkpoint.vocabulary)[3:6] == ["<unk>", "|", "A"]
    (tmp_path / "dict.ltr.txt").write_text("| 1\n")
    with pytest.raises(CheckpointError, match="has 5 symbols"):
        read_checkpoint(folder, dictionary=tmp_path / "dict.ltr.txt")


def test_weights_that_stand_for_nothing_are_left_out_on_demand(
    folder: Path, tmp_path: Path
) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, "extra.weight": torch.ones(1)}, folder / "model.safetensors")
    checkpoint = read_checkpoint(folder)
    with pytest.raises(CheckpointError, match=r"extra\.weight"):
        checkpoint.require_complete(strict=True)
    checkpoint.require_complete(strict=False)
    write_transformers(checkpoint, tmp_path / "out")
    assert load_file(tmp_path / "out" / "model.safetensors").keys() == weights.keys()


def test_a_half_read_folder_says_what_is_missing(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 7 + b"\x7f{}")
    with pytest.raises(CheckpointError, match=r"model\.safetensors: cannot be read as safetensors"):
        read_checkpoint(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="holds no weights"):
        read_checkpoint(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json: cannot be read"):
        read_checkpoint(folder)
    with pytest.raises(CheckpointError, match="no such file or folder"):
        read_checkpoint(folder / "none")


def test_another_architecture_is_named(folder: Path) -> None:
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, "model_type": "hubert"}))
    with pytest.raises(CheckpointError, match="architecture 'hubert'"):
        read_checkpoint(folder)


def test_other_outputs_are_noticed(folder: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(folder)
    write_transformers(checkpoint, tmp_path / "out")
    checkpoint.tensors["lm_head.bias"] = checkpoint.tensors["lm_head.bias"] + 1
    with pytest.raises(CheckpointError, match=r"other outputs on random audio: they differ by 1"):
        check_equality(checkpoint, tmp_path / "out")
    checkpoint.tensors["lm_head.bias"] = checkpoint.tensors["lm_head.bias"] * float("nan")
    with pytest.raises(CheckpointError, match="not finite"):
        check_equality(checkpoint, tmp_path / "out")


def test_what_only_this_package_computes_is_said() -> None:
    config = package.Wav2Vec2ConformerConfig()
    assert limits_in_transformers(config) == []
    config.encoder_norm = "before"
    config.position_embeddings_type = "convolutional"
    first, second = limits_in_transformers(config)
    assert "norm before" in first
    assert "convolutional positions" in second


def test_a_failed_write_leaves_the_old_folder(folder: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(folder)
    checkpoint.vocabulary = {"a": 0}  # no tokenizer can be made of it
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    with pytest.raises(CheckpointError, match="must have the tokens"):
        write_transformers(checkpoint, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    assert (tmp_path / "out" / "old").exists()
