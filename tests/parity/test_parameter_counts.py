"""Rung: sizes of the released models, built without weights."""

import pytest
import torch

import wav2vec2_conformer
from wav2vec2_conformer import Wav2Vec2ConformerConfig

LARGE = {
    "vocab_size": 32,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "hidden_act": "swish",
    "feat_extract_norm": "layer",
    "conv_bias": True,
    "codevector_dim": 768,
    "proj_codevector_dim": 768,
}


@pytest.mark.parametrize(
    ("head", "settings", "expected"),
    [
        ("ForPreTraining", {**LARGE, "position_embeddings_type": "relative"}, 620_510_976),
        ("ForCTC", {**LARGE, "position_embeddings_type": "relative"}, 618_591_904),
        ("ForPreTraining", {**LARGE, "position_embeddings_type": "rotary"}, 595_296_000),
        ("ForCTC", {**LARGE, "position_embeddings_type": "rotary"}, 593_376_928),
        ("Model", {}, 179_730_304),
    ],
)
def test_released_sizes(head, settings, expected):
    with torch.device("meta"):
        model = getattr(wav2vec2_conformer, f"Wav2Vec2Conformer{head}")(
            Wav2Vec2ConformerConfig(**settings)
        )
    assert sum(parameter.numel() for parameter in model.parameters()) == expected
    assert model.num_parameters() == expected
