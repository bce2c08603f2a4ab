"""What all tasks have in common: observers, rates, frozen parts, whole checkpoints."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import TrainingArguments

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.data.batching import DurationBatchSampler
from wav2vec2_conformer.data.collation import SpeechCollator, stack_targets
from wav2vec2_conformer.models.sequence_classification import (
    Wav2Vec2ConformerForSequenceClassification,
)
from wav2vec2_conformer.training.schedule import TrainingClock
from wav2vec2_conformer.training.speech_trainer import SpeechTrainer


@pytest.fixture
def model(tiny_config_kwargs):
    return Wav2Vec2ConformerForSequenceClassification(
        Wav2Vec2ConformerConfig(**tiny_config_kwargs, num_labels=2)
    )


@pytest.fixture
def train(tmp_path, model):
    """Return a function that trains the model on noise and returns the trainer."""
    rng = np.random.default_rng(0)
    clips = [
        {
            "input_values": rng.standard_normal(4000).astype(np.float32),
            "labels": np.asarray(i % 2),
            "utterance_id": f"{i}.wav",
        }
        for i in range(4)
    ]

    class Clips(torch.utils.data.Dataset):
        def __len__(self):
            return len(clips)

        def __getitem__(self, draw):
            return clips[draw.clip]

    def run(*, max_steps=2, arguments=(), **options):
        clock = TrainingClock()
        trainer = SpeechTrainer(
            model=model,
            args=TrainingArguments(
                output_dir=str(tmp_path / "out"),
                max_steps=max_steps,
                use_cpu=True,
                report_to="none",
                disable_tqdm=True,
                dataloader_pin_memory=False,
                **dict(arguments),
            ),
            data_collator=SpeechCollator(collate_labels=stack_targets),
            train_dataset=Clips(),
            train_sampler=DurationBatchSampler([0.25] * 4, 0.5),
            eval_sampler=None,
            clock=clock,
            callbacks=[clock],
            **options,
        )
        trainer.train()
        return trainer

    return run


def test_observers_see_inputs_with_names_and_outputs(train):
    seen = []
    train(observers=[lambda inputs, outputs: seen.append((inputs, outputs))])
    assert len(seen) == 2
    names = [name for inputs, _ in seen for name in inputs["utterance_ids"]]
    assert sorted(names) == [f"{i}.wav" for i in range(4)]
    assert all(outputs.logits.shape == (2, 2) for _, outputs in seen)


def test_rates_of_parameters_are_scaled(train, model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer = train(
        learning_rate_scale=lambda name: 1.0 if name.startswith("classifier") else 0.0,
        arguments={"learning_rate": 0.1},
    )
    rates = [group["initial_lr"] for group in trainer.optimizer.param_groups]
    assert rates == sorted(rates, reverse=True)
    assert set(rates) == {0.1, 0.0}
    changed = {
        name for name, value in model.named_parameters() if not torch.equal(value, before[name])
    }
    assert changed == {"classifier.weight", "classifier.bias"}


def test_frozen_parts_stay_in_evaluation_mode(train, model):
    modes = []
    train(
        frozen=[model.wav2vec2_conformer],
        observers=[lambda *_: modes.append((model.training, model.wav2vec2_conformer.training))],
    )
    assert modes == [(True, False)] * 2


def test_a_checkpoint_has_its_name_once_it_is_complete(train, tmp_path):
    seen = []

    def complete(folder: Path) -> None:
        names = {path.name for path in (tmp_path / "out").iterdir()}
        seen.append((folder.name, names))
        (folder / "more.txt").write_text("more")

    train(
        max_steps=3,
        complete_checkpoint=[complete],
        arguments={"save_steps": 1, "save_total_limit": 2},
    )
    assert [name for name, _ in seen] == ["checkpoint-1", "checkpoint-2", "checkpoint-3"]
    assert [names - {".saving"} for _, names in seen] == [
        set(),
        {"checkpoint-1"},
        {"checkpoint-1", "checkpoint-2"},
    ]
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["checkpoint-2", "checkpoint-3"]
    assert (tmp_path / "out" / "checkpoint-3" / "more.txt").read_text() == "more"


def test_a_failed_checkpoint_leaves_the_one_before(train, tmp_path):
    def fail(folder: Path) -> None:
        if folder.name == "checkpoint-2":
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        train(complete_checkpoint=[fail], arguments={"save_steps": 1, "save_total_limit": 1})
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"checkpoint-1", ".saving"}
