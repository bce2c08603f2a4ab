"""Folders in 8 bits: small, the same bits when loaded, readable as float, refused by others."""

import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import wav2vec2_conformer as package
from wav2vec2_conformer.checkpoints.int8_folder import (
    INT8_FILE,
    is_int8_folder,
    read_int8_folder,
)
from wav2vec2_conformer.checkpoints.reading import read_checkpoint
from wav2vec2_conformer.checkpoints.transformers_writing import write_transformers
from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.inference.compute_type import load_model
from wav2vec2_conformer.models.int8 import convert_to_int8, is_int8
from wav2vec2_conformer.nn.int8_linear import has_int8_products

needs_int8 = pytest.mark.skipif(not has_int8_products(), reason="no int8 products here")
CPU = torch.device("cpu")


def build(**changes: object) -> package.Wav2Vec2ConformerForCTC:
    torch.manual_seed(0)
    config = package.Wav2Vec2ConformerConfig(
        vocab_size=12,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        conv_dim=[8] * 7,
        conv_depthwise_kernel_size=5,
        num_conv_pos_embeddings=4,
        **changes,
    )
    model = package.Wav2Vec2ConformerForCTC(config).eval()
    for name, buffer in model.named_buffers():
        if "running_mean" in name:
            buffer.normal_()
    return model


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return model(torch.randn(1, 9_000, generator=torch.Generator().manual_seed(0))).logits


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build().save_pretrained(tmp_path / "float")
    write_transformers(read_checkpoint(tmp_path / "float"), tmp_path / "int8", stores_int8=True)
    return tmp_path / "int8"


@pytest.mark.may_skip
@needs_int8
@pytest.mark.parametrize("positions", ["relative", "rotary"])
def test_it_loads_what_a_conversion_in_memory_gives(positions: str, tmp_path: Path) -> None:
    model = build(position_embeddings_type=positions)
    model.save_pretrained(tmp_path / "float")
    write_transformers(read_checkpoint(tmp_path / "float"), tmp_path / "int8", stores_int8=True)
    loaded, report = load_model(
        package.Wav2Vec2ConformerForCTC, tmp_path / "int8", device=CPU, compute_type="int8"
    )
    convert_to_int8(model)
    assert is_int8(loaded)
    assert torch.equal(logits(loaded), logits(model))
    assert report["unexpected_keys"] == []
    as_float, _ = read_int8_folder(
        tmp_path / "int8", package.Wav2Vec2ConformerForCTC, dtype=torch.float32
    )
    assert not is_int8(as_float)
    convert_to_int8(as_float)  # the same whole numbers again
    assert torch.equal(logits(as_float), logits(model))


def test_it_is_small_and_says_what_it_is(folder: Path) -> None:
    stored = load_file(folder / INT8_FILE)
    block = {name: value for name, value in stored.items() if ".layers.0." in name}
    floats = sum(value.numel() * 4 for value in block.values())
    assert sum(value.nbytes for value in block.values()) < 0.3 * floats
    assert json.loads((folder / "config.json").read_text())["stored_weights"] == "int8"
    assert is_int8_folder(folder)
    assert not is_int8_folder(folder.parent / "float")


def test_transformers_refuses_it(folder: Path) -> None:
    with pytest.raises(OSError, match=r"no file named model\.safetensors"):
        transformers.Wav2Vec2ConformerForCTC.from_pretrained(folder)


@pytest.mark.parametrize(
    ("model_class", "missing"),
    [
        (package.Wav2Vec2ConformerModel, []),
        (package.Wav2Vec2ConformerForSequenceClassification, ["projector.weight"]),
    ],
)
def test_other_heads_take_the_body(
    folder: Path, model_class: type[package.Wav2Vec2ConformerModel], missing: list[str]
) -> None:
    model, report = read_int8_folder(folder, model_class, dtype=torch.float32)
    stored = read_checkpoint(folder).tensors
    name = "encoder.layers.1.ffn1.output_dense.weight"
    assert torch.equal(model.base_model.state_dict()[name], stored[f"wav2vec2_conformer.{name}"])
    assert set(missing) <= set(report["missing_keys"])
    assert "lm_head.weight" in report["unexpected_keys"]


def test_a_file_without_head_gives_the_body(folder: Path) -> None:
    stored = load_file(folder / INT8_FILE)
    prefix = "wav2vec2_conformer."
    bare = {n.removeprefix(prefix): t for n, t in stored.items() if n.startswith(prefix)}
    save_file(bare, folder / INT8_FILE)
    model, report = read_int8_folder(folder, package.Wav2Vec2ConformerForCTC, dtype=torch.float32)
    assert sorted(report["missing_keys"]) == ["lm_head.bias", "lm_head.weight"]
    name = "feature_projection.projection.weight"
    assert torch.equal(model.state_dict()[f"{prefix}{name}"], bare[name])


def test_a_language_cannot_be_chosen(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="target_lang cannot be given"):
        load_model(
            package.Wav2Vec2ConformerForCTC,
            folder,
            device=CPU,
            compute_type="float32",
            target_lang="ara",
        )


def test_missing_and_misshapen_tensors_are_named(folder: Path) -> None:
    stored = load_file(folder / INT8_FILE)
    name = "wav2vec2_conformer.encoder.layers.0.final_layer_norm.weight"
    save_file({n: t for n, t in stored.items() if n != name}, folder / INT8_FILE)
    with pytest.raises(CheckpointError, match=f"holds no {name}"):
        read_int8_folder(folder, package.Wav2Vec2ConformerForCTC, dtype=torch.float32)
    save_file({**stored, name: torch.zeros(3)}, folder / INT8_FILE)
    with pytest.raises(CheckpointError, match=r"is of shape \(3,\)"):
        read_int8_folder(folder, package.Wav2Vec2ConformerForCTC, dtype=torch.float32)
    name = "wav2vec2_conformer.encoder.layers.0.ffn1.output_dense.weight_scale"
    save_file({n: t for n, t in stored.items() if n != name}, folder / INT8_FILE)
    with pytest.raises(CheckpointError, match=f"but no {name}"):
        read_int8_folder(folder, package.Wav2Vec2ConformerForCTC)
    with pytest.raises(CheckpointError, match=f"but no {name}"):
        read_checkpoint(folder)
    (folder / INT8_FILE).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_int8_folder(folder, package.Wav2Vec2ConformerForCTC, dtype=torch.float32)
