"""Model folders are complete, keep what half precision cannot hold, and load again."""

import json

import pytest
import torch
from safetensors.torch import load_file
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


def test_latest_checkpoint_is_the_last_complete_one(tmp_path):
    assert latest_checkpoint(tmp_path / "none") is None
    for step, state in [(90, "{}"), (100, "{}"), (110, '{"global'), (120, None)]:
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    (tmp_path / "checkpoint-best").mkdir()
    assert latest_checkpoint(tmp_path) == tmp_path / "checkpoint-100"
