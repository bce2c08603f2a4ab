"""The log tells speed, time left and error rates."""

import logging

import pytest
from transformers import TrainerState

from wav2vec2_conformer.training import progress, schedule
from wav2vec2_conformer.training.progress import ProgressLog
from wav2vec2_conformer.training.schedule import TrainingClock


@pytest.fixture
def now(monkeypatch, caplog):
    caplog.set_level(logging.INFO, logger="wav2vec2_conformer")
    time_s = [0.0]
    for module in (progress, schedule):
        monkeypatch.setattr(module.time, "monotonic", lambda: time_s[0])
    return time_s


def test_speed_leaves_out_evaluations(now, caplog):
    clock = TrainingClock()
    log = ProgressLog(clock)
    state = TrainerState(max_steps=100, epoch=0.5)
    log.on_train_begin(None, state, None)
    now[0], state.global_step, state.num_input_tokens_seen = 10.0, 20, 16_000 * 600
    log.on_log(None, state, None, logs={"loss": 2.5, "learning_rate": 1e-4, "grad_norm": 1.0})
    assert "step 20  20.0 %  epoch 0.50  0.17 h of audio" in caplog.text
    assert "loss 2.5000  lr 1.00e-04  grad 1.00  60x real time  left 0:00:40" in caplog.text
    now[0] = 70.0
    log.on_evaluate(
        None, state, None, metrics={"eval_loss": 1.0, "eval_wer": 0.5, "eval_cer": 0.25}
    )
    assert "validation: loss 1  WER 50.00 %  CER 25.00 %" in caplog.text
    now[0], state.num_input_tokens_seen = 80.0, 16_000 * 1300
    log.on_log(None, state, None, logs={"loss": 2.4, "learning_rate": 1e-4})
    assert "70x real time" in caplog.text


def test_logs_without_a_training_loss_are_passed_over(caplog):
    caplog.set_level(logging.INFO, logger="wav2vec2_conformer")
    ProgressLog(TrainingClock()).on_log(None, TrainerState(), None, logs={"eval_loss": 1.0})
    assert not caplog.text


def test_other_tasks_tell_their_own_scores(caplog):
    caplog.set_level(logging.INFO, logger="wav2vec2_conformer")
    metrics = {"eval_eer": 0.125, "eval_unknown": 3.0, "eval_runtime": 4.0}
    ProgressLog(TrainingClock()).on_evaluate(None, TrainerState(), None, metrics=metrics)
    assert "validation: EER 12.50 %  in 4 s" in caplog.text
