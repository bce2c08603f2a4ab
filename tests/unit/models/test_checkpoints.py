"""Loading, saving, Auto classes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import HubertConfig, HubertModel

import wav2vec2_conformer as package

from .conftest import HEADS, Build


@pytest.mark.parametrize("head", HEADS)
def test_a_saved_model_loads_with_equal_outputs(build: Build, tmp_path: Path, head: str) -> None:
    model = build(head)
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    assert not loaded.training
    waveform = torch.randn(1, 8_000)
    with torch.no_grad():
        torch.testing.assert_close(loaded(waveform)[0], model(waveform)[0], atol=0, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rotary_frequencies_stay_float32_in_a_small_checkpoint(
    build: Build, tmp_path: Path, dtype: torch.dtype
) -> None:
    model = build("ForCTC", position_embeddings_type="rotary")
    exact = model.wav2vec2_conformer.encoder.embed_positions.inv_freq.clone()
    model.to(dtype).save_pretrained(tmp_path)
    for wanted in (torch.float32, dtype):
        loaded = type(model).from_pretrained(tmp_path, dtype=wanted)
        assert loaded.lm_head.weight.dtype == wanted
        frequencies = loaded.wav2vec2_conformer.encoder.embed_positions.inv_freq
        assert frequencies.dtype == torch.float32
        torch.testing.assert_close(frequencies, exact, atol=0, rtol=0)


def test_the_bare_model_loads_from_a_head_and_a_head_from_the_bare_model(
    build: Build, tmp_path: Path
) -> None:
    model = build("ForCTC")
    model.save_pretrained(tmp_path / "ctc")
    bare = package.Wav2Vec2ConformerModel.from_pretrained(tmp_path / "ctc")
    waveform = torch.randn(1, 8_000)
    with torch.no_grad():
        expected = model.wav2vec2_conformer(waveform).last_hidden_state
        torch.testing.assert_close(bare(waveform).last_hidden_state, expected, atol=0, rtol=0)
        bare.save_pretrained(tmp_path / "bare")
        head = package.Wav2Vec2ConformerForSequenceClassification.from_pretrained(tmp_path / "bare")
        states = head.wav2vec2_conformer(waveform).last_hidden_state
        torch.testing.assert_close(states, expected, atol=0, rtol=0)


def test_another_architecture_is_named_and_not_loaded(tmp_path: Path) -> None:
    other = HubertModel(
        HubertConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=20,
            conv_dim=(8,) * 7,
            num_conv_pos_embeddings=4,
            num_conv_pos_embedding_groups=2,
        )
    )
    other.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="wav2vec2'"):
        package.Wav2Vec2ConformerModel.from_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["model_type"] = "wav2vec2-conformer"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="does not hold the weights"):
        package.Wav2Vec2ConformerModel.from_pretrained(tmp_path)


def test_released_model_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = package.Wav2Vec2ConformerForCTC(
            package.Wav2Vec2ConformerConfig(
                vocab_size=32,
                hidden_size=1024,
                num_hidden_layers=24,
                num_attention_heads=16,
                intermediate_size=4096,
                feat_extract_norm="layer",
                conv_bias=True,
                position_embeddings_type="rotary",
            )
        )
    assert sum(p.numel() for p in model.parameters()) == 593_376_928


AUTO = """
import sys
import numpy as np
from transformers import AutoConfig, AutoModel, AutoModelForCTC, pipeline
import wav2vec2_conformer as package
package.register()
package.register()
folder = sys.argv[1]
assert type(AutoConfig.from_pretrained(folder)) is package.Wav2Vec2ConformerConfig
assert type(AutoModel.from_pretrained(folder)) is package.Wav2Vec2ConformerModel
assert type(AutoModelForCTC.from_pretrained(folder)) is package.Wav2Vec2ConformerForCTC
recognizer = pipeline("automatic-speech-recognition", model=folder)
assert type(recognizer.model) is package.Wav2Vec2ConformerForCTC
print(type(recognizer(np.zeros(16000, dtype=np.float32) + 0.1)["text"]).__name__)
"""


def test_auto_classes_and_pipelines_use_ours_once_registered(build: Build, tmp_path: Path) -> None:
    """In a process of its own, since it changes transformers' tables."""
    from wav2vec2_conformer.text.vocabulary import LIBRISPEECH_VOCABULARY, build_processor

    build("ForCTC", vocab_size=32).save_pretrained(tmp_path)
    build_processor(LIBRISPEECH_VOCABULARY).save_pretrained(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", AUTO, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "str"
    assert "[ERROR]" not in done.stdout + done.stderr
