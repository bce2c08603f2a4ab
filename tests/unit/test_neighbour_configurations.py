"""Configurations of Wav2Vec2 and Wav2Vec2-BERT: choices, refusals, which class a file gives."""

import json

import pytest

from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerForCTC
from wav2vec2_conformer.configuration import Wav2Vec2BertConfig, Wav2Vec2Config
from wav2vec2_conformer.errors import CheckpointError, ConfigurationError
from wav2vec2_conformer.models.wav2vec2 import Wav2Vec2ForCTC
from wav2vec2_conformer.models.wav2vec2_bert import Wav2Vec2BertForCTC


def test_the_place_of_the_norms_follows_from_one_setting():
    assert Wav2Vec2Config().encoder_norm == "before"
    assert Wav2Vec2Config(do_stable_layer_norm=True).encoder_norm == "after"
    assert Wav2Vec2BertConfig().encoder_norm is None


@pytest.mark.parametrize(
    ("config_class", "settings", "message"),
    [
        (Wav2Vec2Config, {"adapter_attn_dim": 16}, "do_stable_layer_norm=True"),
        (Wav2Vec2Config, {"hidden_size": 770}, "multiple of num_attention_heads"),
        (Wav2Vec2BertConfig, {"position_embeddings_type": "convolutional"}, "'relative_key'"),
        (Wav2Vec2ConformerConfig, {"position_embeddings_type": "relative_key"}, "'rotary'"),
        (Wav2Vec2BertConfig, {"feature_projection_input_dim": 81}, "must be even.*got 81"),
        (Wav2Vec2BertConfig, {"left_max_position_embeddings": -1}, "must not be negative"),
        (Wav2Vec2BertConfig, {"adapter_act": "loud"}, "adapter_act must be one of .*'loud'"),
        (Wav2Vec2BertConfig, {"use_intermediate_ffn_before_adapter": True}, "add_adapter=True"),
        (Wav2Vec2BertConfig, {"conv_depthwise_kernel_size": 4}, "odd number"),
    ],
)
def test_what_cannot_be_built_is_refused(config_class, settings, message):
    with pytest.raises(ConfigurationError, match=message):
        config_class(**settings)


@pytest.mark.parametrize(
    ("config", "ratio"),
    [
        (Wav2Vec2Config(), 320),
        (Wav2Vec2BertConfig(), 320),
        (Wav2Vec2BertConfig(add_adapter=True, num_adapter_layers=2), 1_280),
    ],
)
def test_samples_per_frame(config, ratio):
    assert config.inputs_to_logits_ratio == ratio


@pytest.mark.parametrize("config_class", [Wav2Vec2Config, Wav2Vec2BertConfig])
def test_every_way_to_read_a_file_gives_its_class(tmp_path, config_class):
    config = config_class(vocab_size=7, exact_padding=False, layerdrop=0.3)
    config.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    assert json.loads(file.read_text())["model_type"] == config_class.model_type
    for read in (
        Wav2Vec2ConformerConfig.from_pretrained(tmp_path),
        Wav2Vec2ConformerConfig.from_json_file(file),
        Wav2Vec2ConformerConfig.from_dict(json.loads(file.read_text())),
        config_class.from_pretrained(tmp_path),
    ):
        assert type(read) is config_class
        assert (read.vocab_size, read.exact_padding, read.layerdrop) == (7, False, 0.3)
    changed, unused = Wav2Vec2ConformerConfig.from_pretrained(
        tmp_path, vocab_size=9, other=1, return_unused_kwargs=True
    )
    assert changed.vocab_size == 9
    assert unused == {"other": 1}


def test_a_neighbour_reads_no_other(tmp_path):
    Wav2Vec2Config().save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="'wav2vec2', not 'wav2vec2-bert'"):
        Wav2Vec2BertConfig.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="'wav2vec2', not 'wav2vec2-bert'"):
        Wav2Vec2BertForCTC.from_pretrained(tmp_path)


def test_models_are_built_of_their_own_configuration():
    assert Wav2Vec2ConformerForCTC.class_for("wav2vec2") is Wav2Vec2ForCTC
    assert Wav2Vec2ConformerForCTC.class_for("wav2vec2-bert") is Wav2Vec2BertForCTC
    with pytest.raises(
        ConfigurationError, match=r"takes a Wav2Vec2ConformerConfig, got a Wav2Vec2"
    ):
        Wav2Vec2ConformerForCTC(Wav2Vec2Config())
    with pytest.raises(CheckpointError, match="'hubert', not 'wav2vec2', 'wav2vec2-bert'"):
        Wav2Vec2ConformerForCTC.class_for("hubert")
