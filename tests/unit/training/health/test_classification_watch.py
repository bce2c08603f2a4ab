"""Failures of classification are provoked on a tiny model, and found."""

import pytest
import torch

from wav2vec2_conformer import Wav2Vec2ConformerForSequenceClassification
from wav2vec2_conformer.training.health.batch_watch import BatchWatch
from wav2vec2_conformer.training.health.classification_watch import ClassificationWatch


@pytest.fixture
def model(config):
    config.num_labels = 4
    return Wav2Vec2ConformerForSequenceClassification(config)


@pytest.fixture
def watch(model):
    return ClassificationWatch(
        has_chance_level=True,
        batches=BatchWatch(model._get_feat_extract_output_lengths),
        after_updates=10,
    )


def test_classes_that_have_nothing_to_do_with_the_audio_are_found(model, watch):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    finding = None
    for step in range(30):
        inputs = {"input_values": torch.randn(8, 4_000), "labels": torch.randint(4, (8,))}
        outputs = model(**inputs)
        outputs.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        finding = watch.look(step, inputs, outputs)["chance_level"]
    assert "guessing among 4 classes costs 1.386" in finding.what


def test_a_single_class_is_found(model, watch):
    inputs = {"input_values": torch.randn(100, 1_000), "labels": torch.full((100,), 2)}
    with torch.no_grad():
        outputs = model(**inputs)
    assert watch.look(0, inputs, outputs)["single_class"] is None
    assert "have class 2 of 4" in watch.look(1, inputs, outputs)["single_class"].what


def test_numbers_and_several_labels_are_no_classes(model, watch):
    inputs = {"input_values": torch.randn(2, 1_000), "labels": torch.rand(2, 4)}
    model.config.problem_type = "multi_label_classification"
    with torch.no_grad():
        found = watch.look(0, inputs, model(**inputs))
    assert set(found) == {"infinite_loss", "length_ceiling"}
