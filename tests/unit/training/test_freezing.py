"""Parts stay as they are, wait, or learn more slowly, as told."""

import pytest
import torch
from transformers import TrainerState, TrainingArguments

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.models.sequence_classification import (
    Wav2Vec2ConformerForSequenceClassification,
)
from wav2vec2_conformer.training.freezing import HeadFirst, freeze_parts, layer_learning_rates


@pytest.fixture
def model(tiny_config_kwargs):
    return Wav2Vec2ConformerForSequenceClassification(
        Wav2Vec2ConformerConfig(**tiny_config_kwargs, use_weighted_layer_sum=True)
    )


def trained(model):
    """Return the first two parts of the names of what is trained."""
    names = (name for name, p in model.named_parameters() if p.requires_grad)
    return {".".join(name.split(".")[:2]) for name in names}


HEAD = {"layer_weights", "projector.weight", "projector.bias", "classifier.weight"} | {
    "classifier.bias"
}


def test_frozen_encoder_leaves_the_head_and_the_weights_of_the_layers(model):
    frozen = freeze_parts(model, encoder=True)
    assert trained(model) == HEAD
    assert frozen == [model.wav2vec2_conformer]


def test_frozen_feature_encoder_leaves_the_rest(model):
    everything = trained(model)
    assert freeze_parts(model, feature_encoder=True) == []
    assert trained(model) == everything - {"wav2vec2_conformer.feature_extractor"}


def test_rates_fall_from_layer_to_layer(model):
    scale = layer_learning_rates(model, 0.5)
    base = "wav2vec2_conformer."
    assert scale("classifier.weight") == scale("layer_weights") == 1.0
    assert scale(f"{base}encoder.layer_norm.weight") == 1.0
    assert scale(f"{base}encoder.layers.1.ffn1.output_dense.bias") == 0.5
    assert scale(f"{base}encoder.layers.0.ffn1.output_dense.bias") == 0.25
    assert scale(f"{base}feature_projection.projection.weight") == 0.125
    assert scale(f"{base}feature_extractor.conv_layers.0.conv.weight") == 0.125
    assert layer_learning_rates(model, 1.0) is None


@pytest.mark.parametrize("decay", [0.0, 1.5])
def test_a_decay_out_of_range_is_refused(model, decay):
    with pytest.raises(InputError, match=f"above 0 and at most 1, got {decay}"):
        layer_learning_rates(model, decay)


def test_the_head_is_alone_for_its_updates_also_after_a_resumption(model):
    freeze_parts(model, feature_encoder=True)
    everything = trained(model)
    arguments = TrainingArguments(use_cpu=True)
    callback = HeadFirst(model, 3)
    for step, expected in ((0, HEAD), (2, HEAD), (3, everything), (9, everything)):
        callback.on_train_begin(arguments, TrainerState(global_step=step), None)
        assert trained(model) == expected
    callback.on_train_begin(arguments, TrainerState(global_step=0), None)
    for step, expected in ((1, HEAD), (2, HEAD), (3, everything), (4, everything)):
        callback.on_step_end(arguments, TrainerState(global_step=step), None)
        assert trained(model) == expected


def test_gradients_of_what_waits_are_forgotten_also_of_parameters_put_in_its_place(model):
    callback = HeadFirst(model, 3)
    projection = model.wav2vec2_conformer.feature_projection.projection
    projection.bias = torch.nn.Parameter(projection.bias.detach().clone())  # as FSDP does
    for step, expected in ((2, HEAD), (3, trained(model))):
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.ones_like(parameter)
        callback.forget_gradients(TrainerState(global_step=step))
        names = [name for name, p in model.named_parameters() if p.grad is not None]
        assert {".".join(name.split(".")[:2]) for name in names} == expected
