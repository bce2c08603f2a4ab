"""Every task starts from the checkpoint of every other, and what is new is said."""

import json
import logging

import pytest
import torch

from wav2vec2_conformer import (
    Wav2Vec2ConformerConfig,
    Wav2Vec2ConformerForAudioFrameClassification,
    Wav2Vec2ConformerForCTC,
    Wav2Vec2ConformerForPreTraining,
    Wav2Vec2ConformerForSequenceClassification,
    Wav2Vec2ConformerForXVector,
    Wav2Vec2ConformerModel,
)
from wav2vec2_conformer.errors import CheckpointError, ConfigurationError, InputError
from wav2vec2_conformer.training.starting_model import (
    build_starting_model,
    name_outputs,
    read_feature_extractor,
    read_starting_config,
)

HEADS = (
    Wav2Vec2ConformerForCTC,
    Wav2Vec2ConformerForSequenceClassification,
    Wav2Vec2ConformerForAudioFrameClassification,
    Wav2Vec2ConformerForXVector,
)


@pytest.fixture
def save(tmp_path, tiny_config_kwargs):
    """Return a function that saves a model of a class and returns its folder."""

    def save_model(model_class):
        model_class(Wav2Vec2ConformerConfig(**tiny_config_kwargs)).save_pretrained(tmp_path)
        return tmp_path

    return save_model


@pytest.mark.parametrize("start", [Wav2Vec2ConformerModel, Wav2Vec2ConformerForPreTraining, *HEADS])
def test_the_encoder_is_loaded_into_every_task(save, start, caplog):
    caplog.set_level(logging.INFO, logger="wav2vec2_conformer")
    folder = save(start)
    expected = Wav2Vec2ConformerModel.from_pretrained(folder).state_dict()
    for model_class in HEADS:
        caplog.clear()
        config = read_starting_config(folder, None, {})
        config.update(name_outputs(["a", "b", "c"]))
        model = build_starting_model(model_class, folder, config)
        found = model.base_model.state_dict()
        assert [name for name in expected if not expected[name].equal(found[name])] == []
        assert model.dtype == torch.float32
        if model_class is not start:
            assert "starts at random: " in caplog.text
        if start is Wav2Vec2ConformerForPreTraining:
            assert "left out of the checkpoint: " in caplog.text


def test_a_head_of_another_size_starts_anew(save, caplog):
    caplog.set_level(logging.INFO, logger="wav2vec2_conformer")
    folder = save(Wav2Vec2ConformerForSequenceClassification)
    config = read_starting_config(folder, None, {})
    config.update(name_outputs(list("abcdefg")))
    model = build_starting_model(Wav2Vec2ConformerForSequenceClassification, folder, config)
    assert model.classifier.weight.shape[0] == 7
    assert "starts at random: classifier" in caplog.text
    assert model.config.id2label[6] == "g"


def test_an_encoder_of_another_size_is_refused(save):
    folder = save(Wav2Vec2ConformerForCTC)
    config = read_starting_config(folder, None, {"intermediate_size": 24})
    with pytest.raises(ConfigurationError, match="model_config changes the size of wav2vec2_"):
        build_starting_model(Wav2Vec2ConformerForCTC, folder, config)


def test_values_alone_describe_a_random_model():
    config = read_starting_config(None, None, {"hidden_size": 96, "num_hidden_layers": 3})
    assert (config.hidden_size, config.num_hidden_layers) == (96, 3)


def test_what_contradicts_itself_is_refused(save, tmp_path):
    folder = save(Wav2Vec2ConformerModel)
    with pytest.raises(InputError, match="give either model"):
        read_starting_config(folder, folder / "config.json", {})
    with pytest.raises(InputError, match="give either model"):
        read_starting_config(None, None, {})
    with pytest.raises(InputError, match="there is no such configuration file"):
        read_starting_config(None, tmp_path / "none.json", {})
    with pytest.raises(InputError, match=r"model_config\.layer_drop: config\.json has no such"):
        read_starting_config(folder, None, {"layer_drop": 0.1})


def test_normalization_is_that_of_the_checkpoint(save):
    folder = save(Wav2Vec2ConformerModel)
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json cannot be read"):
        read_feature_extractor(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": False})
    )
    assert not read_feature_extractor(folder).do_normalize
    assert read_feature_extractor(None).do_normalize
