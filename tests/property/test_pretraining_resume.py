"""Pre-training that stops and goes on ends as if it had not stopped, bit for bit."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from wav2vec2_conformer.training.model_folder import latest_checkpoint
from wav2vec2_conformer.training.pretraining.run import pretrain
from wav2vec2_conformer.training.pretraining.settings import PretrainingSettings

STEPS = 4


@pytest.fixture
def train(tmp_path, tiny_config_kwargs):
    """Return a function that trains with all that is drawn at random."""
    noise = tmp_path / "noise"
    noise.mkdir()
    rng = np.random.default_rng(0)
    for number in range(10):
        samples = rng.normal(0, 0.1, 16_000 + 1_500 * number)
        soundfile.write(noise / f"{number}.wav", samples, 16_000)
    config = tmp_path / "config.json"
    values = {**tiny_config_kwargs, "num_negatives": 5, "layerdrop": 0.3, "mask_feature_prob": 0.1}
    config.write_text(json.dumps(values))

    def run(output_dir, **changes):
        values = {
            "train": (noise,),
            "valid": noise,
            "output_dir": output_dir,
            "config": config,
            "batch_seconds": 3.0,
            "min_duration_s": 0.5,
            "max_duration_s": 1.2,
            "gradient_accumulation_steps": 2,
            "gumbel_temperature_decay": 0.9,
            "max_steps": STEPS,
            "warmup_steps": 2,
            "learning_rate": 3e-3,
            "logging_steps": 1,
            "eval_steps": 2,
            "save_steps": 1,
            "save_total_limit": STEPS,
            "use_cpu": True,
            "report_to": "none",
        }
        return pretrain(PretrainingSettings(**{**values, **changes}))

    return run


def lines(folder):
    """Return what a run logged, but for times."""
    state = json.loads((folder / f"checkpoint-{STEPS}" / "trainer_state.json").read_text())
    timed = ("runtime", "per_second", "samples_per", "steps_per")
    return [
        {key: value for key, value in entry.items() if not any(part in key for part in timed)}
        for entry in state["log_history"]
    ]


def differing(first, second):
    return [name for name in first if not first[name].equal(second[name])]


def test_resumed_is_uninterrupted_with_workers_or_without(train, resume_elsewhere, tmp_path):
    """From the middle of an epoch, and, with audio decoded elsewhere, from the end of it."""
    whole = tmp_path / "whole"
    expected = load_file(train(whole, num_workers=0) / "model.safetensors")
    for stop, num_workers in ((1, 0), (3, 2)):
        resumed = tmp_path / f"resumed-{stop}"
        shutil.copytree(whole / f"checkpoint-{stop}", resumed / f"checkpoint-{stop}")
        at_stop = load_file(resumed / f"checkpoint-{stop}" / "model.safetensors")
        assert differing(at_stop, expected)
        if num_workers:
            resume_elsewhere("pretrain", resumed, num_workers)
        else:
            train(resumed, num_workers=0, resume=True)
        assert differing(load_file(resumed / "final" / "model.safetensors"), expected) == []
        assert lines(resumed) == lines(whole)
    # What is finished is not repeated.
    shutil.rmtree(whole / "final")
    final = train(whole, num_workers=0, resume=True)
    assert differing(load_file(final / "model.safetensors"), expected) == []
    assert len(list(whole.glob("checkpoint-*"))) == STEPS


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_killed_run_loses_nothing_before_its_last_checkpoint(train, tmp_path):
    """At random moments, and with a file of a checkpoint half written."""
    changes = {"num_workers": 0, "valid": None, "max_steps": 10}
    expected = load_file(train(tmp_path / "whole", **changes, save_steps=100) / "model.safetensors")
    killed = tmp_path / "killed"
    changes |= {"resume": True, "save_total_limit": 2}
    moments = random.Random(0)
    steps = [0]
    for saves in (None, 6, None):
        child = multiprocessing.get_context("fork").Process(
            target=train_to_death, args=(train, killed, changes, saves)
        )
        child.start()
        if saves is None:
            while child.is_alive() and last_step(killed) <= steps[-1]:
                time.sleep(0.01)
            time.sleep(moments.uniform(0.0, 0.1))
            child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        assert saves is None or list(killed.glob(".saving/checkpoint-*/*"))
        steps.append(last_step(killed))
        # What has a checkpoint's name is one: the search did not have to pass any over.
        assert steps[-1] == max(number_of(path) for path in killed.glob("checkpoint-*"))
    assert steps == sorted(set(steps))  # each run went on from the one before
    final = train(killed, **changes)
    assert differing(load_file(final / "model.safetensors"), expected) == []
    assert not list(killed.glob("**/.saving*"))


def train_to_death(train, folder, changes, saves):
    """Train; die with a file half written that follows so many others (None: do not)."""
    save, written = torch.save, []

    def save_or_die(state, file, *arguments, **options):
        if len(written) == saves:
            Path(file).write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        written.append(file)
        save(state, file, *arguments, **options)

    torch.save = save_or_die  # in this process alone, which is a child
    train(folder, **changes)


def last_step(folder):
    checkpoint = latest_checkpoint(folder)
    return 0 if checkpoint is None else number_of(checkpoint)


def number_of(checkpoint):
    return int(checkpoint.name.removeprefix("checkpoint-"))
