"""Masking waits for the loss, stays on, and survives a resumption."""

import pytest
from transformers import TrainerState

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.training.spec_augment import SpecAugmentGate


def begun(config, state=None):
    gate = SpecAugmentGate(config, threshold=1.6)
    gate.on_train_begin(None, state or TrainerState(), None)
    return gate


def log(gate, **logs):
    gate.on_log(None, TrainerState(), None, logs=logs)


@pytest.fixture
def config():
    return Wav2Vec2ConformerConfig(apply_spec_augment=True)


def test_opens_below_the_threshold_for_good(config):
    gate = begun(config)
    assert not config.apply_spec_augment
    log(gate, loss=2.9)
    log(gate, eval_loss=0.5)
    assert not config.apply_spec_augment
    log(gate, loss=1.59)
    assert config.apply_spec_augment
    log(gate, loss=5.0)
    assert config.apply_spec_augment


@pytest.mark.parametrize("is_open", [True, False])
def test_resumed_gate_is_as_it_was(config, is_open):
    gate = begun(config)
    if is_open:
        log(gate, loss=1.0)
    state = TrainerState(global_step=7, stateful_callbacks=[gate])
    fresh = Wav2Vec2ConformerConfig(apply_spec_augment=True)
    begun(fresh, state)
    assert fresh.apply_spec_augment is is_open


def test_masking_that_is_not_wanted_stays_off():
    config = Wav2Vec2ConformerConfig(apply_spec_augment=False)
    gate = begun(config)
    log(gate, loss=0.1)
    gate.on_train_end(None, None, None)
    assert not config.apply_spec_augment


def test_configuration_comes_back_at_the_end(config):
    begun(config).on_train_end(None, None, None)
    assert config.apply_spec_augment


def test_checkpoint_says_what_was_wanted(config, tmp_path):
    """A run that starts from it, and not resumes it, masks as this one was meant to."""
    gate = begun(config)
    folder = tmp_path / "checkpoint-7"
    config.save_pretrained(folder)
    assert not Wav2Vec2ConformerConfig.from_pretrained(folder).apply_spec_augment
    gate.write_wanted(folder)
    assert Wav2Vec2ConformerConfig.from_pretrained(folder).apply_spec_augment
    assert not config.apply_spec_augment
