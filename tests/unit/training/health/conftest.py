"""Tiny models, batches of noise, and a short training loop that calls the monitor."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerForCTC
from wav2vec2_conformer.data.batching import DurationBatchSampler
from wav2vec2_conformer.data.collation import SpeechCollator
from wav2vec2_conformer.training.health.monitor import HealthMonitor
from wav2vec2_conformer.training.schedule import TrainingClock
from wav2vec2_conformer.training.speech_trainer import SpeechTrainer

SAMPLES = 8_000  # 25 frames


@pytest.fixture
def config(tiny_config_kwargs):
    return Wav2Vec2ConformerConfig(
        **tiny_config_kwargs
        | {
            "feat_extract_norm": "layer",
            "position_embeddings_type": "rotary",
            "num_hidden_layers": 1,
            "conv_dim": (8, 8),
            "conv_kernel": (10, 32),
            "conv_stride": (10, 32),
            "ctc_loss_reduction": "mean",
            "ctc_zero_infinity": True,
            "apply_spec_augment": False,
            "layerdrop": 0.0,
        }
    )


@pytest.fixture
def ctc_model(config):
    return Wav2Vec2ConformerForCTC(config)


@pytest.fixture
def ctc_inputs():
    """Return two utterances of noise with the names a.wav and b.wav and texts of five tokens."""
    return {
        "input_values": torch.randn(2, SAMPLES),
        "attention_mask": torch.ones(2, SAMPLES, dtype=torch.int64),
        "labels": torch.tensor([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]),
        "utterance_ids": ["a.wav", "b.wav"],
    }


@pytest.fixture
def watch_batches():
    """Return a function that shows batches to a watch and returns the last findings."""

    def look(watch, model, inputs, *, times=1, step=0):
        taken = {name: value for name, value in inputs.items() if name != "utterance_ids"}
        found = {}
        for time in range(times):
            found = watch.look(step + time, inputs, model(**taken))
        return found

    return look


class Clips(torch.utils.data.Dataset):
    """Eight clips of noise with random texts."""

    def __len__(self):
        return 8

    def __getitem__(self, draw):
        index = draw if isinstance(draw, int) else draw.clip
        rng = np.random.default_rng(index)
        return {
            "input_values": rng.normal(size=SAMPLES).astype(np.float32),
            "labels": rng.integers(1, 12, size=5),
            "utterance_id": f"{index}.wav",
        }


@pytest.fixture
def build_trainer(tmp_path, ctc_model):
    """Return a function that makes a trainer of the tiny CTC model with a monitor."""

    def build(monitor: HealthMonitor, *, observers=(), model=ctc_model, **arguments) -> Trainer:
        arguments = {
            "max_steps": 6,
            "learning_rate": 1e-3,
            "warmup_steps": 1,
            "save_strategy": "steps",
            "save_steps": 2,
            "logging_steps": 1,
        } | arguments
        clock = TrainingClock()
        trainer = SpeechTrainer(
            model=model,
            args=TrainingArguments(
                output_dir=str(tmp_path / "run"),
                use_cpu=True,
                report_to="none",
                disable_tqdm=True,
                remove_unused_columns=False,
                dataloader_pin_memory=False,
                **arguments,
            ),
            data_collator=SpeechCollator(),
            train_dataset=Clips(),
            eval_dataset=None,
            train_sampler=DurationBatchSampler([SAMPLES / 16_000] * 8, 1.0),
            eval_sampler=None,
            clock=clock,
            callbacks=[clock, monitor],
            observers=[*observers, monitor.observe],
        )
        trainer.remove_callback(PrinterCallback)
        return trainer

    return build


@pytest.fixture
def run_dir(tmp_path) -> Path:
    return tmp_path / "run"
