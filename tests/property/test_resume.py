"""A run that was stopped goes on exactly: to the bit, in every task, after any death."""

import json
import multiprocessing
import random
import shutil
import time

import numpy as np
import pytest
import soundfile
from safetensors.torch import load_file

from wav2vec2_conformer.training.finetuning import finetune
from wav2vec2_conformer.training.model_folder import latest_checkpoint
from wav2vec2_conformer.training.settings import FinetuneSettings

NUM_CLIPS = 10


@pytest.fixture
def settings(tmp_path, tiny_config_kwargs):
    """Return settings of a run in which all that is random is on."""
    rng = np.random.default_rng(0)
    lines = []
    for i in range(NUM_CLIPS):
        num_samples = 4000 + 400 * i
        tone = np.sin(2 * np.pi * (300 + 200 * (i % 2)) / 16_000 * np.arange(num_samples))
        samples = 0.3 * tone + 0.01 * rng.standard_normal(num_samples)
        soundfile.write(tmp_path / f"{i}.wav", samples, 16_000)
        end_s = num_samples / 16_000
        lines.append(
            {
                "audio_filepath": f"{i}.wav",
                "duration": end_s,
                "text": "AB"[i % 2],
                "label": "ab"[i % 2],
                "speaker": f"s{i % 3}",
                "segments": [{"start": 0.1, "end": end_s, "speaker": "x"}],
            }
        )
    manifest = tmp_path / "clips.jsonl"
    manifest.write_text("\n".join(json.dumps(line) for line in lines))
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps(
            tiny_config_kwargs
            | {"layerdrop": 0.3, "mask_time_prob": 0.2, "mask_feature_prob": 0.2}
            | {"mask_feature_length": 2, "position_embeddings_type": "rotary"}
        )
    )
    return FinetuneSettings(
        train=(manifest,),
        config=config,
        output_dir=tmp_path / "whole",
        batch_seconds=1.2,
        gradient_accumulation_steps=2,
        max_steps=7,
        learning_rate=3e-3,
        warmup_steps=2,
        spec_augment_below_loss=1000,
        speed_perturbation=0.1,
        noise_probability=0.5,
        room_probability=0.5,
        logging_steps=2,
        save_steps=1,
        save_total_limit=10,
        num_workers=0,
        report_to="none",
        use_cpu=True,
    )


def change(settings, **values):
    return FinetuneSettings(**vars(settings) | values)


def weights(folder):
    return load_file(folder / "model.safetensors")


def assert_equal_to_the_bit(first, second):
    first, second = weights(first), weights(second)
    assert first.keys() == second.keys()
    assert [name for name in first if not first[name].equal(second[name])] == []


# Four batches an epoch, in two updates: step 4 is between two epochs, the odd ones within one.
@pytest.mark.parametrize(
    ("step", "more"),
    [
        (3, {"task": "ctc"}),
        (4, {"task": "classification", "head_only_steps": 5, "schedule": "tri-stage"}),
        (3, {"task": "frame-classification", "layer_learning_rate_decay": 0.5}),
        (5, {"task": "xvector", "freeze_feature_encoder": True}),
    ],
    ids=lambda value: value["task"] if isinstance(value, dict) else str(value),
)
def test_resumed_run_equals_an_uninterrupted_one(settings, resume_elsewhere, tmp_path, step, more):
    settings = change(settings, valid=settings.train[0], eval_steps=3, **more)
    finetune(settings)
    resumed = tmp_path / "resumed"
    name = f"checkpoint-{step}"
    shutil.copytree(tmp_path / "whole" / name, resumed / name)
    resume_elsewhere("finetune", resumed, 1)

    assert_equal_to_the_bit(tmp_path / "whole" / "final", resumed / "final")
    before, after = (weights(tmp_path / "whole" / n) for n in (name, "final"))
    assert max((after[n] - before[n]).abs().max() for n in before) > 1e-4
    histories = [
        json.loads((folder / "checkpoint-7" / "trainer_state.json").read_text())["log_history"]
        for folder in (tmp_path / "whole", resumed)
    ]
    losses = [[entry["loss"] for entry in log if "loss" in entry] for log in histories]
    assert losses[0] == losses[1]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_run_loses_nothing_before_its_last_checkpoint(settings, tmp_path):
    """Checkpoints follow one another so closely that most kills hit one being written."""
    settings = change(settings, max_steps=14, save_total_limit=2, task="classification")
    finetune(change(settings, save_steps=100))
    killed = change(settings, output_dir=tmp_path / "killed", resume=True)
    random.seed(0)
    steps = []
    for _ in range(4):
        child = multiprocessing.get_context("fork").Process(target=finetune, args=(killed,))
        child.start()
        target = steps[-1] + 1 if steps else 1
        while child.is_alive() and step_of(killed) < target:
            time.sleep(0.01)
        time.sleep(random.uniform(0.0, 0.3))
        child.kill()
        child.join()
        steps.append(step_of(killed))
    assert steps == sorted(set(steps))  # each run went on from the one before
    finetune(killed)
    assert_equal_to_the_bit(tmp_path / "whole" / "final", tmp_path / "killed" / "final")
    assert not list((tmp_path / "killed").glob("**/.saving*"))


def step_of(settings):
    checkpoint = latest_checkpoint(settings.output_dir)
    return 0 if checkpoint is None else int(checkpoint.name.removeprefix("checkpoint-"))
