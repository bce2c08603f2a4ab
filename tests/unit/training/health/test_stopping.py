"""The error of a stopped run says what, why, and how to go on."""

import sys

import pytest

from wav2vec2_conformer.errors import Wav2Vec2ConformerError
from wav2vec2_conformer.training.health.finding import Finding
from wav2vec2_conformer.training.health.stopping import UnhealthyTrainingError

FINDING = Finding("all_blank", "it is silent", "this", "that")


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "my run" / "checkpoint-3"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text("{}")
    return folder


def test_the_command_to_resume_is_spelled_out(checkpoint, monkeypatch):
    arguments = ["/usr/bin/w2vc", "finetune", "--train", "my data.jsonl", "--resume"]
    monkeypatch.setattr(sys, "argv", arguments)
    message = str(UnhealthyTrainingError(FINDING, 7, checkpoint.parent, "no way back"))
    assert message.startswith("training was stopped after 7 updates (no way back). all_blank: it")
    assert f"the last checkpoint is {checkpoint}" in message
    assert "w2vc finetune --train 'my data.jsonl' --resume." in message
    assert f"--model '{checkpoint}'" in message
    assert message.endswith("--health all_blank=warn")


def test_from_python_the_setting_is_named(checkpoint, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["my_script.py", "secret"])
    message = str(UnhealthyTrainingError(FINDING, 7, checkpoint.parent))
    assert "go on from it with: resume=True" in message
    assert "secret" not in message


def test_without_a_checkpoint_one_starts_again(tmp_path):
    error = UnhealthyTrainingError(FINDING, 7, tmp_path)
    assert "holds no checkpoint yet: start again" in str(error)
    assert isinstance(error, Wav2Vec2ConformerError)
    assert isinstance(error, RuntimeError)
    assert error.finding is FINDING
