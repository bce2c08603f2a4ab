"""Heads without their encoder: what they hold, what they make, and whom they refuse."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import Wav2Vec2FeatureExtractor
from transformers.utils import logging

from wav2vec2_conformer.checkpoints import bundled
from wav2vec2_conformer.checkpoints.bundled import bundled_head_path
from wav2vec2_conformer.checkpoints.encoder_digest import digest_encoder
from wav2vec2_conformer.checkpoints.head_files import check_head, digest_file, split_head
from wav2vec2_conformer.checkpoints.location import locate_checkpoint
from wav2vec2_conformer.checkpoints.quiet_loading import quiet_for_heads
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.inference.classifier import Classifier
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.models.sequence_classification import (
    Wav2Vec2ConformerForSequenceClassification,
)

NOISE = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)


@pytest.fixture
def encoder(tmp_path: Path, tiny_config_kwargs: dict[str, Any]) -> Path:
    """A checkpoint in an assets folder, in float16 as the bundled one."""
    torch.manual_seed(0)
    folder = tmp_path / "assets" / "encoder"
    model = Wav2Vec2ConformerForCTC(Wav2Vec2ConformerConfig(**tiny_config_kwargs))
    model.half().save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    return folder


def train_head(encoder: Path, folder: Path) -> Path:
    """Save a whole model with that encoder and a random head, as a training run does."""
    config = Wav2Vec2ConformerConfig.from_pretrained(
        encoder, num_labels=3, use_weighted_layer_sum=True
    )
    torch.manual_seed(1)
    model = Wav2Vec2ConformerForSequenceClassification.from_pretrained(
        encoder, config=config, dtype=torch.float32
    )
    torch.nn.init.normal_(model.layer_weights)
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    return folder


@pytest.fixture
def trained(encoder: Path, tmp_path: Path) -> Path:
    return train_head(encoder, tmp_path / "trained")


@pytest.fixture
def head(encoder: Path, trained: Path) -> Path:
    folder = encoder.parent / "heads" / "kinds"
    split_head(trained, encoder, folder, dtype=torch.float32)
    return folder


def test_a_head_holds_no_encoder(head: Path) -> None:
    names = set(load_file(head / "head.safetensors"))
    assert names == {
        "layer_weights",
        "projector.weight",
        "projector.bias",
        "classifier.weight",
        "classifier.bias",
    }
    assert sorted(path.name for path in head.iterdir()) == [
        "config.json",
        "head.safetensors",
        "model.safetensors.index.json",
        "preprocessor_config.json",
    ]


def test_a_head_is_loaded_as_the_whole_model(head: Path, trained: Path) -> None:
    whole = Classifier.from_pretrained(trained, device="cpu")
    joined = Classifier.from_pretrained(head, device="cpu")
    for (name, value), other in zip(
        whole.model.state_dict().items(), joined.model.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(other, value, rtol=0, atol=0, msg=name)
    assert joined.classify(NOISE, 16_000) == whole.classify(NOISE, 16_000)


def test_only_heads_are_loaded_quietly(head: Path, encoder: Path) -> None:
    before = logging.get_verbosity()
    with quiet_for_heads(head):
        assert logging.get_verbosity() == logging.ERROR
    with quiet_for_heads(encoder):
        assert logging.get_verbosity() == before
    with pytest.raises(ZeroDivisionError), quiet_for_heads(head):
        raise ZeroDivisionError
    assert logging.get_verbosity() == before != logging.ERROR


def test_half_precision_is_half_the_size_and_nearly_the_same(
    encoder: Path, trained: Path, tmp_path: Path
) -> None:
    small = tmp_path / "assets" / "heads" / "small"
    split_head(trained, encoder, small)
    with safe_open(small / "head.safetensors", "pt") as file:
        assert file.get_tensor("classifier.weight").dtype == torch.float16
    got = Classifier.from_pretrained(small, device="cpu").classify(NOISE, 16_000).scores
    expected = Classifier.from_pretrained(trained, device="cpu").classify(NOISE, 16_000).scores
    assert got == pytest.approx(expected, abs=1e-3)


def test_what_a_head_decides_by_goes_with_it(encoder: Path, trained: Path, tmp_path: Path) -> None:
    (trained / "verification.json").write_text('{"threshold": 0.5}\n')
    destination = tmp_path / "assets" / "heads" / "voices"
    split_head(trained, encoder, destination)
    assert json.loads((destination / "verification.json").read_text()) == {"threshold": 0.5}
    (trained / "verification.json").unlink()
    split_head(trained, encoder, destination)
    assert not (destination / "verification.json").exists()


def test_the_digest_is_the_encoders_alone(encoder: Path, trained: Path) -> None:
    assert digest_file(encoder) == digest_file(trained)
    model = Wav2Vec2ConformerForCTC.from_pretrained(encoder, dtype=torch.float32)
    loaded = digest_encoder(model.base_model.state_dict())
    assert loaded == digest_file(encoder)
    with torch.no_grad():
        model.base_model.masked_spec_embed += 1  # of no use in evaluation
    assert digest_encoder(model.base_model.state_dict()) == loaded
    with torch.no_grad():
        model.base_model.encoder.layer_norm.bias[0] += 0.25
    assert digest_encoder(model.base_model.state_dict()) != loaded


def change_encoder(folder: Path) -> None:
    model = Wav2Vec2ConformerForCTC.from_pretrained(folder)
    with torch.no_grad():
        model.base_model.encoder.layer_norm.bias[0] += 0.25
    model.save_pretrained(folder)


def test_a_head_of_another_encoder_is_refused(encoder: Path, head: Path) -> None:
    check_head(head, encoder)
    change_encoder(encoder)
    with pytest.raises(CheckpointError, match="kinds was trained on another encoder"):
        check_head(head, encoder)


def test_a_trained_encoder_is_no_head(encoder: Path, trained: Path, tmp_path: Path) -> None:
    change_encoder(encoder)
    with pytest.raises(CheckpointError, match="its encoder is not that of"):
        split_head(trained, encoder, tmp_path / "assets" / "heads" / "x")


def test_a_damaged_head_is_told(encoder: Path, head: Path) -> None:
    (head / "head.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=r"head\.safetensors: cannot be read"):
        check_head(head, encoder)


@pytest.fixture
def own_assets(encoder: Path, head: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bundled, "_ASSETS", encoder.parent)
    monkeypatch.setattr(bundled, "_ENCODER", encoder.name)
    return head


def test_a_bundled_head_has_a_name(own_assets: Path) -> None:
    assert bundled_head_path("kinds") == own_assets
    assert locate_checkpoint("bundled:kinds") == own_assets
    assert locate_checkpoint("bundled:encoder") == own_assets.parents[1] / "encoder"
    with pytest.raises(CheckpointError, match="no head named 'sorts'; it holds: kinds"):
        locate_checkpoint("bundled:sorts")


def test_a_bundled_head_of_another_encoder_is_refused(own_assets: Path) -> None:
    change_encoder(own_assets.parents[1] / "encoder")
    with pytest.raises(CheckpointError, match="trained on another encoder"):
        locate_checkpoint("bundled:kinds")


def test_without_heads_the_message_says_so(own_assets: Path) -> None:
    shutil.rmtree(own_assets.parent)
    with pytest.raises(CheckpointError, match="no head named 'kinds'; it holds: none at all"):
        bundled_head_path("kinds")
