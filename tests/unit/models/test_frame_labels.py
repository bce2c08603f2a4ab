"""Kinds of labels of the frame classification head."""

from pathlib import Path
from typing import Any

import pytest
import torch

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import ConfigurationError, InputError
from wav2vec2_conformer.models.audio_frame_classification import (
    Wav2Vec2ConformerForAudioFrameClassification,
)
from wav2vec2_conformer.nn.frame_losses import multilabel_loss, powerset_loss
from wav2vec2_conformer.nn.powerset import build_powerset

from .conftest import Build

HEAD = "ForAudioFrameClassification"
PAIRS_OF_THREE: dict[str, Any] = {"num_labels": 7, "max_simultaneous_speakers": 2}
WAVEFORMS = torch.randn(2, 8_000, generator=torch.Generator().manual_seed(1))
NUM_FRAMES = 24


def draw_labels(num_speakers: int) -> torch.Tensor:
    return (torch.rand(2, NUM_FRAMES, num_speakers) < 0.3).long()


def test_logits_are_sets_of_speakers_where_the_configuration_says_so(build: Build) -> None:
    model = build(HEAD, **PAIRS_OF_THREE)
    labels = draw_labels(3)
    out = model(WAVEFORMS, labels=labels)
    counted = torch.ones(2, NUM_FRAMES, dtype=torch.bool)
    expected = powerset_loss(out.logits, labels.float(), counted, build_powerset(3, 2))
    assert model.num_targets == 3
    assert out.logits.shape == (2, NUM_FRAMES, 7)
    torch.testing.assert_close(out.loss, expected)


@pytest.mark.parametrize(
    "settings", [PAIRS_OF_THREE, {"num_labels": 3, "problem_type": "multi_label_classification"}]
)
def test_the_order_of_speakers_matters_unless_the_configuration_says_it_does_not(
    build: Build, settings: dict[str, Any]
) -> None:
    labels = draw_labels(3)
    reordered = labels[..., [2, 0, 1]]
    fixed = build(HEAD, **settings)
    assert fixed(WAVEFORMS, labels=labels).loss != fixed(WAVEFORMS, labels=reordered).loss
    free = build(HEAD, **settings, permutation_invariant_loss=True)
    loss = free(WAVEFORMS, labels=labels).loss
    torch.testing.assert_close(loss, free(WAVEFORMS, labels=reordered).loss)
    assert loss <= fixed(WAVEFORMS, labels=labels).loss


def test_padded_and_negative_labels_do_not_count(build: Build) -> None:
    model = build(
        HEAD,
        num_labels=2,
        problem_type="multi_label_classification",
        permutation_invariant_loss=True,
    )
    mask = torch.ones(2, 8_000, dtype=torch.long)
    mask[1, 400 + 9 * 320 :] = 0  # 10 frames
    labels = draw_labels(2)
    labels[0, 3] = -100
    out = model(WAVEFORMS * mask, attention_mask=mask, labels=labels)
    counted = torch.ones(2, NUM_FRAMES, dtype=torch.bool)
    counted[0, 3] = False
    counted[1, 10:] = False
    torch.testing.assert_close(
        out.loss,
        multilabel_loss(out.logits, labels.float(), counted, is_permutation_invariant=True),
    )


def test_a_saved_model_knows_its_sets(build: Build, tmp_path: Path) -> None:
    model = build(HEAD, **PAIRS_OF_THREE, permutation_invariant_loss=True)
    model.save_pretrained(tmp_path)
    loaded = Wav2Vec2ConformerForAudioFrameClassification.from_pretrained(tmp_path)
    labels = draw_labels(3)
    assert loaded.powerset.tolist() == build_powerset(3, 2).tolist()
    torch.testing.assert_close(
        loaded(WAVEFORMS, labels=labels).loss, model(WAVEFORMS, labels=labels).loss
    )


def test_labels_of_the_wrong_shape_are_refused_by_name(build: Build) -> None:
    with pytest.raises(InputError, match=r"frames, speakers\) = \(2, 24, 3\), got \(2, 24, 7\)"):
        build(HEAD, **PAIRS_OF_THREE)(WAVEFORMS, labels=draw_labels(7))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_labels": 6, "max_simultaneous_speakers": 2}, "4 for 2, 7 for 3"),
        ({"num_labels": 4, "max_simultaneous_speakers": 0}, "max_simultaneous must be at least 1"),
        ({"num_labels": 2, "permutation_invariant_loss": True}, "needs speakers that are judged"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Wav2Vec2ConformerForAudioFrameClassification(
            Wav2Vec2ConformerConfig(hidden_size=16, num_attention_heads=2, **settings)
        )
