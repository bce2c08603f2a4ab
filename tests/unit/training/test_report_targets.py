"""Metrics go to TensorBoard; what is not installed or unknown is explained."""

import importlib.util

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from wav2vec2_conformer.errors import InputError, MissingExtraError
from wav2vec2_conformer.training.report_targets import (
    REPORT_TARGETS,
    check_report_target,
    split_report_targets,
)


def test_what_is_logged_reaches_tensorboard(tmp_path):
    check_report_target("tensorboard")
    model = torch.nn.Linear(1, 1)

    class SquaredTrainer(Trainer):
        def compute_loss(self, model, inputs, **_):
            return model(inputs["x"]).square().mean()

    trainer = SquaredTrainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(tmp_path),
            report_to=split_report_targets("tensorboard"),
            max_steps=3,
            logging_steps=1,
            use_cpu=True,
            disable_tqdm=True,
            save_strategy="no",
            remove_unused_columns=False,
        ),
        train_dataset=[{"x": torch.ones(1)}] * 8,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    (folder,) = (tmp_path / "runs").iterdir()
    events = EventAccumulator(str(folder)).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3]
    assert {"train/learning_rate", "train/grad_norm"} <= set(events.Tags()["scalars"])


@pytest.mark.parametrize("name", sorted(REPORT_TARGETS))
def test_a_missing_package_is_explained(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    package, extra = REPORT_TARGETS[name]
    message = f"report_to='{name}' needs the package {package}"
    with pytest.raises(MissingExtraError, match=message) as caught:
        check_report_target(f"none, {name}")
    assert f"wav2vec2-conformer[{extra}]" in str(caught.value)


def test_an_unknown_name_is_explained():
    with pytest.raises(InputError, match=r"got 'tensorbord'\. Did you mean tensorboard"):
        check_report_target("tensorbord")


def test_none_is_no_target():
    assert split_report_targets("none") == []
    assert split_report_targets("tensorboard, wandb") == ["tensorboard", "wandb"]
