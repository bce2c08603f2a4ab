"""Files of the configuration: written, read again, read as released."""

import json

import pytest

from wav2vec2_conformer import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError, ConfigurationError

from .test_configuration import DEFAULTS, OURS

# As the released checkpoints have it, with keys that this model has no use for.
RELEASED = {
    "activation_dropout": 0.1,
    "apply_spec_augment": True,
    "architectures": ["Wav2Vec2ConformerForCTC"],
    "attention_dropout": 0.1,
    "codevector_dim": 768,
    "conv_bias": True,
    "conv_dim": [512, 512, 512, 512, 512, 512, 512],
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "do_stable_layer_norm": True,
    "feat_extract_dropout": 0.0,
    "feat_extract_norm": "layer",
    "feat_proj_dropout": 0.1,
    "gradient_checkpointing": False,
    "hidden_act": "swish",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "layerdrop": 0.0,
    "model_type": "wav2vec2-conformer",
    "num_attention_heads": 16,
    "num_feat_extract_layers": 7,
    "num_hidden_layers": 24,
    "position_embeddings_type": "rotary",
    "proj_codevector_dim": 768,
    "torch_dtype": "float32",
    "transformers_version": "4.19.0.dev0",
    "vocab_size": 32,
}
UNUSED = (
    "do_stable_layer_norm",
    "feat_extract_dropout",
    "gradient_checkpointing",
    "hidden_dropout_prob",
)


def write(folder, settings):
    (folder / "config.json").write_text(json.dumps(settings))


def read(folder):
    return json.loads((folder / "config.json").read_text())


@pytest.mark.parametrize("positions", ["relative", "rotary", None])
def test_file_of_all_settings_comes_back(tmp_path, positions):
    config = Wav2Vec2ConformerConfig(
        vocab_size=32,
        position_embeddings_type=positions,
        conv_dim=(8, 9),
        conv_kernel=(4, 3),
        conv_stride=(2, 2),
        num_labels=5,
        problem_type="multi_label_classification",
        exact_padding=False,
    )
    config.save_pretrained(tmp_path)
    loaded = Wav2Vec2ConformerConfig.from_pretrained(tmp_path)
    assert loaded.to_dict() == config.to_dict()
    for name in DEFAULTS | OURS:
        assert getattr(loaded, name) == getattr(config, name), name
    assert loaded.num_labels == 5
    assert loaded.problem_type == "multi_label_classification"
    assert loaded.num_feat_extract_layers == 2
    loaded.save_pretrained(tmp_path / "again")
    assert read(tmp_path / "again") == read(tmp_path)


def test_file_holds_every_setting(tmp_path):
    """So that another version's defaults do not change the model."""
    Wav2Vec2ConformerConfig().save_pretrained(tmp_path)
    missing = {*DEFAULTS, *OURS} - read(tmp_path).keys()
    assert missing <= {"vocab_size"}  # transformers writes no null for it


@pytest.mark.parametrize("positions", ["relative", "rotary", None])
def test_released_file_is_read_and_written(tmp_path, positions):
    write(tmp_path, {**RELEASED, "position_embeddings_type": positions})
    config = Wav2Vec2ConformerConfig.from_pretrained(tmp_path)
    assert config.position_embeddings_type == positions
    for name in DEFAULTS.keys() & RELEASED.keys() - {"position_embeddings_type"}:
        assert getattr(config, name) == RELEASED[name], name
    config.save_pretrained(tmp_path / "again")
    written = read(tmp_path / "again")
    assert written["position_embeddings_type"] == positions
    assert {name: written[name] for name in UNUSED} == {name: RELEASED[name] for name in UNUSED}
    assert written["num_feat_extract_layers"] == 7
    assert written["architectures"] == ["Wav2Vec2ConformerForCTC"]
    again = Wav2Vec2ConformerConfig.from_pretrained(tmp_path / "again")
    assert again.to_dict() == config.to_dict()


def test_number_of_front_end_layers_follows_from_their_channels(tmp_path):
    write(tmp_path, {**RELEASED, "num_feat_extract_layers": 3})
    assert Wav2Vec2ConformerConfig.from_pretrained(tmp_path).num_feat_extract_layers == 7


def test_impossible_file_is_refused(tmp_path):
    write(tmp_path, {**RELEASED, "conv_depthwise_kernel_size": 30})
    with pytest.raises(ConfigurationError, match="conv_depthwise_kernel_size"):
        Wav2Vec2ConformerConfig.from_pretrained(tmp_path)


@pytest.mark.filterwarnings("ignore:.*of type .wav2vec2. to instantiate")
def test_file_of_another_architecture_is_refused(tmp_path):
    write(tmp_path, {**RELEASED, "model_type": "hubert"})
    known = "'wav2vec2-conformer', 'wav2vec2', 'wav2vec2-bert'"
    with pytest.raises(CheckpointError, match=f"'hubert', not {known}"):
        Wav2Vec2ConformerConfig.from_pretrained(tmp_path)


def test_file_may_be_overridden(tmp_path):
    write(tmp_path, RELEASED)
    config = Wav2Vec2ConformerConfig.from_pretrained(tmp_path, layerdrop=0.3, exact_padding=False)
    assert config.layerdrop == 0.3
    assert not config.exact_padding
    assert config.hidden_size == 1024
