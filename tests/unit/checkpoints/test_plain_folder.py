"""Folders that load without transformers' loading: the same weights, or none at all."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from wav2vec2_conformer.checkpoints.int8_folder import INT8_FILE
from wav2vec2_conformer.checkpoints.plain_folder import WEIGHT_FILE, read_plain_folder
from wav2vec2_conformer.configuration import Wav2Vec2Config, Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC, as_model
from wav2vec2_conformer.models.ctc_network import CtcNetwork
from wav2vec2_conformer.text.vocabulary import (
    LIBRISPEECH_VOCABULARY,
    build_processor,
    write_processor,
)

SMALL = {
    "vocab_size": len(LIBRISPEECH_VOCABULARY),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 20,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
CONFIGURATIONS = {
    "relative": Wav2Vec2ConformerConfig(**SMALL, position_embeddings_type="relative"),
    "rotary": Wav2Vec2ConformerConfig(**SMALL, position_embeddings_type="rotary"),
    "other activations": Wav2Vec2ConformerConfig(**SMALL, hidden_act="gelu_new"),
    "adapters": Wav2Vec2ConformerConfig(**SMALL, add_adapter=True, adapter_attn_dim=4),
    "wav2vec2": Wav2Vec2Config(**SMALL),
}


def save(folder: Path, config: Wav2Vec2ConformerConfig) -> Path:
    torch.manual_seed(0)
    Wav2Vec2ConformerForCTC.class_for(config.model_type)(config).save_pretrained(folder)
    write_processor(build_processor(LIBRISPEECH_VOCABULARY), folder)
    return folder


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("config", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_it_computes_what_the_model_computes(
    tmp_path: Path, config: Wav2Vec2ConformerConfig, dtype: torch.dtype
) -> None:
    folder = save(tmp_path, config)
    expected = Wav2Vec2ConformerForCTC.from_pretrained(folder, dtype=dtype).to(dtype).eval()
    network = read_plain_folder(folder)
    assert type(network) is CtcNetwork
    assert not network.training
    network.to(dtype)
    own, others = network.state_dict(), expected.state_dict()
    assert own.keys() == others.keys()
    for name, tensor in own.items():
        assert tensor.dtype == others[name].dtype, name
        assert torch.equal(tensor, others[name]), name
    waveforms = torch.randn(2, 4_000, dtype=dtype)
    mask = torch.ones(2, 4_000, dtype=torch.long)
    mask[1, 3_000:] = 0
    with torch.inference_mode():
        assert torch.equal(network(waveforms, mask).logits, expected(waveforms, mask).logits)


def test_nothing_is_drawn(tmp_path: Path) -> None:
    folder = save(tmp_path, CONFIGURATIONS["relative"])
    before = torch.get_rng_state()
    assert read_plain_folder(folder) is not None
    assert torch.equal(torch.get_rng_state(), before)


def test_a_file_that_changes_does_not_change_the_network(tmp_path: Path) -> None:
    folder = save(tmp_path, CONFIGURATIONS["relative"])
    network = read_plain_folder(folder)
    assert network is not None
    before = network.lm_head.weight.clone()
    content = bytearray((folder / WEIGHT_FILE).read_bytes())
    with (folder / WEIGHT_FILE).open("r+b") as file:
        file.write(bytes(len(content)))
    assert torch.equal(network.lm_head.weight, before)


def test_a_network_becomes_a_model_with_the_same_parts(tmp_path: Path) -> None:
    folder = save(tmp_path / "first", CONFIGURATIONS["rotary"])
    network = read_plain_folder(folder)
    assert network is not None
    model = as_model(network)
    assert type(model) is Wav2Vec2ConformerForCTC
    assert not model.training
    assert model.name_or_path == str(folder)
    weights = dict(network.named_parameters())
    assert weights.keys() == dict(model.named_parameters()).keys()
    assert all(weight is weights[name] for name, weight in model.named_parameters())
    assert as_model(model) is model
    model.save_pretrained(tmp_path / "second")
    again = Wav2Vec2ConformerForCTC.from_pretrained(tmp_path / "second")
    for name, tensor in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    configs = [json.loads((tmp_path / n / "config.json").read_text()) for n in ("first", "second")]
    assert configs[0] == configs[1]


def drop_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / WEIGHT_FILE)
    del tensors["lm_head.bias"]
    save_file(tensors, folder / WEIGHT_FILE, metadata={"format": "pt"})


def add_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / WEIGHT_FILE)
    save_file({**tensors, "more": torch.zeros(1)}, folder / WEIGHT_FILE, metadata={"format": "pt"})


def change_a_shape(folder: Path) -> None:
    tensors = load_file(folder / WEIGHT_FILE)
    tensors["lm_head.bias"] = torch.zeros(7)
    save_file(tensors, folder / WEIGHT_FILE, metadata={"format": "pt"})


def cut_the_weights(folder: Path) -> None:
    content = (folder / WEIGHT_FILE).read_bytes()
    (folder / WEIGHT_FILE).write_bytes(content[: len(content) // 2])


def change_the_settings(folder: Path) -> None:
    values = json.loads((folder / "config.json").read_text())
    values["quantization_config"] = {"quant_method": "bitsandbytes"}
    (folder / "config.json").write_text(json.dumps(values))


@pytest.mark.parametrize(
    "change",
    [
        drop_a_tensor,
        add_a_tensor,
        change_a_shape,
        cut_the_weights,
        change_the_settings,
        lambda folder: (folder / "config.json").write_text("no JSON"),
        lambda folder: (folder / "adapter_config.json").write_text("{}"),
        lambda folder: (folder / INT8_FILE).touch(),
        lambda folder: (folder / WEIGHT_FILE).unlink(),
    ],
)
def test_other_folders_are_left_to_transformers(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    folder = save(tmp_path, CONFIGURATIONS["relative"])
    change(folder)
    assert read_plain_folder(folder) is None


def test_a_name_on_the_hub_is_left_to_transformers() -> None:
    assert read_plain_folder("somebody/a-model") is None


def test_weights_that_are_cut_off_are_told(tmp_path: Path) -> None:
    folder = save(tmp_path, CONFIGURATIONS["rotary"])
    cut_the_weights(folder)
    with pytest.raises(CheckpointError, match="Is the file whole"):
        Wav2Vec2ConformerForCTC.from_pretrained(folder)
