"""Two processes pre-train what one does, measure the same, and go on as if not stopped."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

PROGRAM = Path(__file__).with_name("two_pretraining_processes.py")
NUM_CLIPS = 12  # an even number of batches in one process too


@pytest.fixture(scope="module")
def program():
    """The program that the processes run, as a module."""
    spec = importlib.util.spec_from_file_location("two_pretraining_processes", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What two processes on this machine left."""
    folder = tmp_path_factory.mktemp("distributed")
    (folder / "clips").mkdir()
    rng = np.random.default_rng(0)
    for number in range(NUM_CLIPS):
        samples = rng.normal(0, 0.1, 12_000 + 1_500 * number)
        soundfile.write(folder / "clips" / f"{number}.wav", samples, 16_000)
    dropouts = ("hidden", "activation", "attention", "conformer_conv", "feat_proj")
    config = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 20,
        "conv_dim": [8] * 7,
        "conv_depthwise_kernel_size": 5,
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
        "num_codevectors_per_group": 6,
        "codevector_dim": 8,
        "proj_codevector_dim": 8,
        "num_negatives": 5,
        "layerdrop": 0.0,
        "feat_quantizer_dropout": 0.0,
        **{f"{name}_dropout": 0.0 for name in dropouts},
    }
    (folder / "config.json").write_text(json.dumps(config))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", str(PROGRAM), str(folder)),
        ],
        env={**os.environ, "JAXTYPING_DISABLE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    if done.returncode != 0:
        pytest.fail(f"the processes ended with {done.returncode}:\n{done.stderr[-6000:]}")
    return folder


@pytest.fixture(scope="module")
def alone(folder, program):
    """The same training in this process, with accumulation."""
    program.run_without_noise(folder, "one")
    return folder / "one"


def read_log(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_two_processes_end_with_the_parameters_of_one(folder, alone):
    one, two = (load_file(run / "final" / "model.safetensors") for run in (alone, folder / "two"))
    assert one.keys() == two.keys()
    for name, value in one.items():
        if "running_" not in name and "num_batches" not in name:
            torch.testing.assert_close(two[name], value, rtol=0, atol=1e-5, msg=name)


def test_measures_are_of_the_frames_of_both(folder, alone):
    one, two = (read_log(run) for run in (alone, folder / "two"))
    assert [line["step"] for line in one] == [line["step"] for line in two]
    names = ("loss", "contrastive_loss", "accuracy", "equal_distractors", "masked_share")
    names += ("code_perplexity_1", "code_perplexity_2", "diversity_loss", "grad_norm")
    num_compared = 0
    for expected, found in zip(one, two, strict=True):
        for name in names:
            if name in expected:
                assert found[name] == pytest.approx(expected[name], rel=1e-4), name
                num_compared += 1
    assert num_compared >= 4 * len(names)


def test_resumed_is_uninterrupted_in_both_processes(folder):
    whole, resumed = (
        load_file(folder / run / "final" / "model.safetensors") for run in ("whole", "resumed")
    )
    start = load_file(folder / "whole" / "checkpoint-2" / "model.safetensors")
    assert not all(start[name].equal(whole[name]) for name in whole)
    assert [name for name in whole if not whole[name].equal(resumed[name])] == []
