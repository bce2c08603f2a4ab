"""Files of languages go both ways between transformers' Wav2Vec2 (MMS) and ours."""

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from wav2vec2_conformer.checkpoints.adapters import save_adapter
from wav2vec2_conformer.models.adapters import adapter_tensors
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC

WAVEFORMS = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def folder(tmp_path):
    """A tiny MMS model of transformers with two languages, of 12 and 20 tokens."""
    config = transformers.Wav2Vec2Config(
        vocab_size=12,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=20,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        adapter_attn_dim=4,
    )
    model = transformers.Wav2Vec2ForCTC(config).eval()
    model.save_pretrained(tmp_path)
    for language, num_tokens in [("eng", 12), ("ara", 20)]:
        tensors = {
            name: torch.randn(num_tokens if name[:3] == "lm_" else len(value), *value.shape[1:])
            for name, value in model._get_adapters().items()
        }
        save_file(tensors, tmp_path / f"adapter.{language}.safetensors")
    return tmp_path


def logits(model):
    with torch.no_grad():
        return model.eval()(WAVEFORMS).logits


def test_languages_of_transformers_take_turns_in_ours(folder):
    theirs = transformers.Wav2Vec2ForCTC.from_pretrained(folder)
    ours = Wav2Vec2ConformerForCTC.from_pretrained(folder)
    assert adapter_tensors(ours).keys() == theirs._get_adapters().keys()
    for language in ("ara", "eng", "ara"):
        theirs.load_adapter(language)
        ours.load_adapter(language)
        assert ours.config.vocab_size == theirs.config.vocab_size
        torch.testing.assert_close(logits(ours), logits(theirs), rtol=1e-4, atol=1e-5)


def test_our_file_of_a_language_loads_in_transformers(folder):
    ours = Wav2Vec2ConformerForCTC.from_pretrained(folder, target_lang="ara")
    ours.init_adapter_layers()
    with torch.no_grad():
        for value in adapter_tensors(ours).values():
            value.normal_()
    path = save_adapter(ours, folder, "new")
    theirs = transformers.Wav2Vec2ForCTC.from_pretrained(folder)
    theirs.load_adapter("new")
    assert load_file(path).keys() == theirs._get_adapters().keys()
    torch.testing.assert_close(logits(theirs), logits(ours), rtol=1e-4, atol=1e-5)
