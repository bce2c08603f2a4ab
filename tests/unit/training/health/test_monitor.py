"""The monitor within a real trainer: it warns, stops, and rolls back."""

import logging

import pytest
import torch
from safetensors.torch import load_file

from wav2vec2_conformer import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.text.vocabulary import build_processor
from wav2vec2_conformer.training.health.actions import read_actions
from wav2vec2_conformer.training.health.finding import read_events
from wav2vec2_conformer.training.health.monitor import HealthMonitor
from wav2vec2_conformer.training.health.stopping import UnhealthyTrainingError


class Poison:
    """Puts NaN into a weight in the forward pass of one update, once."""

    def __init__(self, model, update):
        self.model = model
        self.update = update
        self.count = 0

    def __call__(self, _, outputs):
        self.count += 1
        if self.count == self.update:
            outputs.loss.register_hook(lambda gradient: gradient * float("nan"))


def test_a_healthy_run_says_nothing(build_trainer, run_dir, caplog):
    caplog.set_level(logging.WARNING)
    build_trainer(HealthMonitor("ctc", batch_norm_every=100)).train()
    assert read_events(run_dir) == []
    assert not caplog.text


def test_a_warning_goes_to_log_and_file_once(build_trainer, run_dir, caplog):
    trainer = build_trainer(HealthMonitor("ctc", max_duration_s=0.3), max_steps=10)
    trainer.train()
    events = read_events(run_dir)
    # Eight clips in batches of two: each utterance is named once, then no more until late.
    named = [name for event in events for name in event.utterances]
    assert {name.split()[0] for name in named} == {f"{i}.wav" for i in range(8)}
    assert {(event.detector, event.action, event.rank) for event in events} == {
        ("length_ceiling", "warn", 0)
    }
    assert "length_ceiling: 2 of 2 utterances in a batch are longer than" in caplog.text
    assert "Likely cause:" in caplog.text
    assert "What to do:" in caplog.text


def test_all_batches_of_an_update_are_named(build_trainer, run_dir):
    monitor = HealthMonitor("ctc", max_duration_s=0.3)
    build_trainer(monitor, max_steps=1, gradient_accumulation_steps=2).train()
    (event,) = read_events(run_dir)
    assert len(set(event.utterances)) == 4


def test_stopping_names_the_checkpoint_and_the_way_on(build_trainer, run_dir):
    monitor = HealthMonitor("ctc", actions=read_actions(["learning_rate_zero=stop"]))
    trainer = build_trainer(monitor, learning_rate=0.0, max_steps=30)
    with pytest.raises(UnhealthyTrainingError) as caught:
        trainer.train()
    assert trainer.state.global_step == 10
    message = str(caught.value)
    assert "stopped after 10 updates" in message
    assert f"the last checkpoint is {run_dir / 'checkpoint-8'}" in message
    assert "resume" in message
    assert caught.value.finding.detector == "learning_rate_zero"
    assert read_events(run_dir)[-1].action == "stop"


def test_rolling_back_restores_weights_and_halves_the_learning_rate(
    build_trainer, run_dir, ctc_model
):
    seen = {}

    class Snoop(Poison):
        def __call__(self, inputs, outputs):
            super().__call__(inputs, outputs)
            seen[self.count] = {k: v.clone() for k, v in ctc_model.state_dict().items()}

    trainer = build_trainer(
        HealthMonitor("ctc"), observers=[Snoop(ctc_model, 4)], max_steps=8, save_steps=3
    )
    trainer.train()
    assert trainer.state.global_step == 8
    (event,) = [e for e in read_events(run_dir) if e.detector == "gradient_not_finite"]
    assert (event.step, event.action) == (4, "roll_back")
    # The fifth forward pass starts from the weights after the third update.
    saved = load_file(run_dir / "checkpoint-3" / "model.safetensors")
    parameters = dict(ctc_model.named_parameters())  # the forward pass moves statistics
    for name, value in saved.items():
        if name not in parameters:
            continue
        torch.testing.assert_close(seen[5][name], value, rtol=0, atol=0)
    assert all(torch.isfinite(value).all() for value in ctc_model.state_dict().values())
    rates = {e["step"]: e["learning_rate"] for e in trainer.state.log_history if "loss" in e}
    assert rates[3] == pytest.approx(1e-3 * 6 / 8)
    assert rates[5] == pytest.approx(0.5e-3 * 4 / 8)  # linear to zero at 8, halved
    scheduler = torch.load(run_dir / "checkpoint-6" / "scheduler.pt")
    assert scheduler["base_lrs"] == [0.5e-3] * len(scheduler["base_lrs"])


def test_rolling_back_without_a_checkpoint_stops(build_trainer, ctc_model):
    trainer = build_trainer(HealthMonitor("ctc"), observers=[Poison(ctc_model, 1)])
    with pytest.raises(UnhealthyTrainingError, match="there is no checkpoint to go back to"):
        trainer.train()


def test_rolling_back_again_and_again_stops(build_trainer, ctc_model):
    class Every(Poison):
        def __call__(self, inputs, outputs):
            self.update = self.count + 1 if self.count >= 2 else 0
            super().__call__(inputs, outputs)

    trainer = build_trainer(
        HealthMonitor("ctc", max_roll_backs=2), observers=[Every(ctc_model, 0)], max_steps=9
    )
    with pytest.raises(UnhealthyTrainingError, match="gone back 2 times already"):
        trainer.train()


def test_a_foreign_vocabulary_stops_before_the_first_update(build_trainer):
    tokenizer = build_processor({"<pad>": 0, "|": 1, "a": 2, "<unk>": 3}).tokenizer
    trainer = build_trainer(HealthMonitor("ctc", tokenizer=tokenizer))
    with pytest.raises(UnhealthyTrainingError, match="12 outputs and"):
        trainer.train()
    assert trainer.state.global_step == 0


def test_batch_norms_are_measured_in_a_run(build_trainer, run_dir, ctc_model):
    for module in ctc_model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.momentum = 1e-6
    build_trainer(HealthMonitor("ctc", batch_norm_every=2), learning_rate=0.3, max_steps=8).train()
    assert "batch_norm_drift" in [e.detector for e in read_events(run_dir)]


def test_what_lasts_is_told_once_and_its_end_too(build_trainer, run_dir):
    class SilentAtFirst:
        """Makes blank the best token of every frame for the first 20 forward passes."""

        count = 0

        def __call__(self, _, outputs):
            self.count += 1
            outputs.logits.data[:, :, 0] += 1e3 if self.count <= 20 else -1e3

    monitor = HealthMonitor("ctc", after_updates=4)
    trainer = build_trainer(monitor, observers=[SilentAtFirst()], max_steps=30, save_strategy="no")
    trainer.train()
    told = [(e.step, e.detector, e.action) for e in read_events(run_dir)]
    # Counted from 0 in the forward pass: four updates done. Then when they have doubled.
    assert told == [
        (5, "all_blank", "warn"),
        (10, "all_blank", "warn"),
        (20, "all_blank", "warn"),
        (21, "all_blank", "over"),
    ]


def test_ignored_detectors_are_silent(build_trainer, run_dir):
    monitor = HealthMonitor("ctc", max_duration_s=0.1, actions=read_actions(["all=ignore"]))
    build_trainer(monitor, learning_rate=0.0, max_steps=12).train()
    assert read_events(run_dir) == []


def test_watching_changes_nothing(build_trainer, config):
    results = []
    for actions in (["all=warn"], ["all=ignore"]):
        torch.manual_seed(3)
        model = Wav2Vec2ConformerForCTC(config)
        monitor = HealthMonitor("ctc", actions=read_actions(actions), batch_norm_every=1)
        trainer = build_trainer(monitor, model=model, save_strategy="no")
        if actions == ["all=ignore"]:  # no monitor at all
            trainer.remove_callback(monitor)
            trainer.observers.clear()
        trainer.train()
        results.append({name: value.clone() for name, value in model.state_dict().items()})
    watched, alone = results
    for name, value in watched.items():
        torch.testing.assert_close(value, alone[name], rtol=0, atol=0)


def test_what_another_process_decides_is_followed(build_trainer, monkeypatch):
    module = "wav2vec2_conformer.training.health.monitor"
    monkeypatch.setattr(f"{module}.agree_on_most_severe", lambda *_: "stop")
    trainer = build_trainer(HealthMonitor("ctc"))
    with pytest.raises(UnhealthyTrainingError, match="another process of this run") as caught:
        trainer.train()
    assert "--health" not in str(caught.value)
