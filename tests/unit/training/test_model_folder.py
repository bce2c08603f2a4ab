"""Model folders are complete, keep what half precision cannot hold, and load again."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Wav2Vec2Processor

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.text.vocabulary import LIBRISPEECH_VOCABULARY, build_processor
from wav2vec2_conformer.training.model_folder import latest_checkpoint, save_model_folder


@pytest.fixture
def model(tiny_config_kwargs):
    config = Wav2Vec2ConformerConfig(
        **tiny_config_kwargs | {"vocab_size": 32, "position_embeddings_type": "rotary"}
    )
    model = Wav2Vec2ConformerForCTC(config).eval()
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            buffer.fill_(1e5)
    return model


@pytest.fixture(scope="module")
def processor():
    return build_processor(LIBRISPEECH_VOCABULARY)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_saved_folder_loads_with_equal_weights(model, processor, tmp_path, dtype):
    folder = save_model_folder(model, processor, tmp_path / "final", dtype)
    assert {p.name for p in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "tokenizer_config.json",
        "vocab.json",
    }
    loaded = Wav2Vec2ConformerForCTC.from_pretrained(folder)
    assert Wav2Vec2Processor.from_pretrained(folder).tokenizer.pad_token_id == 0
    tolerance = 0.0 if dtype == "float32" else 2e-3
    for name, value in model.state_dict().items():
        assert loaded.state_dict()[name].dtype == value.dtype
        torch.testing.assert_close(
            loaded.state_dict()[name], value, rtol=tolerance, atol=tolerance / 100
        )


def test_statistics_and_frequencies_stay_in_float32(model, processor, tmp_path):
    folder = save_model_folder(model, processor, tmp_path / "final", "float16")
    stored = load_file(folder / "model.safetensors")
    full = {n for n, value in stored.items() if value.dtype != torch.float16}
    assert any(n.endswith("running_var") for n in full)
    assert all(
        n.endswith(("inv_freq", "running_mean", "running_var", "num_batches_tracked")) for n in full
    )
    assert next(v for n, v in stored.items() if n.endswith("running_var")).max() == 1e5
    assert stored["lm_head.weight"].dtype == torch.float16
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float32"


def test_older_folder_is_replaced(model, processor, tmp_path):
    (tmp_path / "final").mkdir()
    (tmp_path / "final" / "stale").touch()
    save_model_folder(model, processor, tmp_path / "final", "float32")
    assert not (tmp_path / "final" / "stale").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["final"]


def test_unknown_dtype_is_refused(model, processor, tmp_path):
    with pytest.raises(InputError, match="one of float32, float16, bfloat16, got 'int8'"):
        save_model_folder(model, processor, tmp_path / "final", "int8")


def test_a_model_without_a_vocabulary_has_a_feature_extractor_alone(model, processor, tmp_path):
    folder = save_model_folder(model, processor.feature_extractor, tmp_path / "final", "float32")
    assert {p.name for p in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    }


@pytest.fixture
def checkpoints(tmp_path):
    """Return two folders with the kinds of files that a checkpoint has."""
    for step in (90, 100):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text("{}")
        save_file({"weight": torch.ones(100)}, folder / "model.safetensors")
        torch.save({"state": torch.ones(100)}, folder / "optimizer.pt")
    (tmp_path / "checkpoint-best").mkdir()
    return tmp_path


def test_latest_checkpoint_has_the_most_updates(checkpoints, tmp_path):
    assert latest_checkpoint(tmp_path / "none") is None
    assert latest_checkpoint(checkpoints) == checkpoints / "checkpoint-100"


@pytest.mark.parametrize("name", ["trainer_state.json", "model.safetensors", "optimizer.pt"])
@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_a_checkpoint_with_a_file_cut_short_is_passed_over(checkpoints, name, part, caplog):
    file = checkpoints / "checkpoint-100" / name
    whole = file.read_bytes()
    file.write_bytes(whole[: int(part * len(whole))])
    assert latest_checkpoint(checkpoints) == checkpoints / "checkpoint-90"
    assert f"checkpoint-100 is passed over: {name} is missing or damaged" in caplog.text


def test_a_checkpoint_without_the_trainers_state_is_passed_over(checkpoints):
    (checkpoints / "checkpoint-100" / "trainer_state.json").unlink()
    assert latest_checkpoint(checkpoints) == checkpoints / "checkpoint-90"
