"""Two processes train what one does; together they skip, average, shard and save."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from wav2vec2_conformer.data.batching import DurationBatchSampler
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.nn.normalization import MaskedBatchNorm1d
from wav2vec2_conformer.training.health.finding import read_events

PROGRAM = Path(__file__).with_name("two_processes.py")
# As in the guide, with a free port; test_distributed_pretraining.py has torchrun.
LAUNCH = "-m accelerate.commands.launch --multi_gpu --num_processes 2 --main_process_port 0"


@pytest.fixture(scope="module")
def program():
    """The program that the processes run, as a module."""
    spec = importlib.util.spec_from_file_location("two_processes", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What two processes on this machine left."""
    folder = tmp_path_factory.mktemp("distributed")
    done = subprocess.run(
        [sys.executable, *LAUNCH.split(), str(PROGRAM), str(folder)],
        env={**os.environ, "JAXTYPING_DISABLE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    if done.returncode != 0:
        pytest.fail(f"the processes ended with {done.returncode}:\n{done.stderr[-6000:]}")
    (folder / "log").write_text(done.stderr)
    return folder


@pytest.fixture(scope="module")
def results(folder):
    return [torch.load(folder / f"results-{rank}.pt") for rank in (0, 1)]


@pytest.fixture(scope="module")
def single(program, tmp_path_factory):
    """The same training in this process, with accumulation."""
    trainer, data, _ = program.train(tmp_path_factory.mktemp("single"))
    return program.state_of(trainer.model), data.drawn, trainer.evaluate()


def is_statistic(name):
    return "running_" in name or "num_batches_tracked" in name


def assert_same_parameters(state, expected, atol):
    assert state.keys() == expected.keys()
    for name, value in expected.items():
        if not is_statistic(name):
            torch.testing.assert_close(state[name], value, rtol=0, atol=atol, msg=name)


def test_two_processes_end_with_the_parameters_of_one(results, single, program):
    state, _, _ = single
    start = program.build_model().state_dict()
    assert not torch.allclose(state["lm_head.weight"], start["lm_head.weight"], atol=1e-3)
    for result in results:
        assert result["equal"]["wrapper"] == "DistributedDataParallel"
        assert not result["equal"]["finds_unused"]
        assert_same_parameters(result["equal"]["state"], state, atol=1e-5)


def test_processes_share_the_clips_without_loss_or_repetition(results, single):
    _, alone, _ = single
    parts = [result["equal"]["drawn"] for result in results]
    assert not set(parts[0]) & set(parts[1])
    for drawn in (parts[0] + parts[1], alone):
        assert sorted(clip for epoch, clip in drawn if epoch == 0) == list(range(11))


def test_validation_hears_every_clip_once(results, single):
    _, _, expected = single
    assert expected["eval_clips"] == 11
    for result in results:
        for name in ("eval_clips", "eval_labels"):
            assert result["equal"]["metrics"][name] == expected[name]


def test_every_process_gets_as_many_batches():
    durations_s = [0.5 + 0.1 * i for i in range(23)]
    for num_processes in (2, 3, 4, 7):
        sampler = DurationBatchSampler(durations_s, 6.0, num_processes=num_processes)
        batches = list(sampler)
        assert len(batches) == len(sampler)
        assert len(batches) % num_processes == 0
        assert sorted(draw.clip for batch in batches for draw in batch) == list(range(23))


def test_running_statistics_are_the_same_in_both(results):
    for run in ("equal", "random", "bad"):
        states = [result[run]["state"] for result in results]
        names = [name for name in states[0] if "running_" in name]
        assert names
        for name in names:
            assert torch.equal(states[0][name], states[1][name]), name


def test_layer_drop_masks_and_checkpointing_leave_no_process_waiting(results, program):
    states = [result["random"]["state"] for result in results]
    assert_same_parameters(states[0], states[1], atol=0)
    start = program.build_model().state_dict()
    embedding = "wav2vec2_conformer.masked_spec_embed"
    assert not torch.equal(states[0][embedding], start[embedding])


def test_vector_of_masks_stays_where_nothing_is_masked(results, program):
    embedding = "wav2vec2_conformer.masked_spec_embed"
    start = program.build_model().state_dict()[embedding]
    assert torch.equal(results[0]["equal"]["state"][embedding], start)


def test_head_is_alone_in_two_processes_as_in_one(results, program, tmp_path):
    alone = program.run_head_first(tmp_path)
    for result in results:
        assert_same_parameters(result["head"]["state"], alone["state"], atol=1e-5)
    # The norm is that of the head, by which it is clipped, and of all once the encoder joins.
    assert min(alone["norms"]) > 1
    assert results[0]["head"]["norms"] == pytest.approx(alone["norms"], rel=1e-4)


def test_bad_loss_in_one_process_skips_the_update_in_both(results, folder):
    assert [result["bad"]["error"] for result in results] == [None, None]
    events = read_events(folder / "bad")
    assert {event.action for event in events} == {"warn"}
    assert [e.utterances for e in events if e.detector == "infinite_loss"] == [("clip-4",)]
    assert not [e for e in events if e.detector.startswith("gradient")]
    assert sorted(result["bad"]["met"] for result in results) == [False, True]
    assert [result["bad"]["num_skipped"] for result in results] == [1, 1]
    states = [result["bad"]["state"] for result in results]
    assert_same_parameters(states[0], states[1], atol=0)
    assert all(bool(value.isfinite().all()) for value in states[0].values())
    (culprit,) = [rank for rank, result in enumerate(results) if result["bad"]["met"]]
    log = (folder / "log").read_text()
    assert (
        f"left out in all processes, as loss or gradient is not finite in process {culprit}" in log
    )


def test_updates_that_are_all_bad_end_the_run_in_both(results, folder):
    assert [result["all_bad"]["steps"] for result in results] == [10, 10]
    for result in results:
        message = result["all_bad"]["message"]
        assert "stopped after 10 updates (there is no checkpoint to go back to)" in message
        assert "the last 10 updates were left out" in message
        assert "--health gradient_not_finite=warn" in message
    events = [e for e in read_events(folder / "all-bad") if e.detector == "gradient_not_finite"]
    named = {event.rank: event.utterances for event in events}
    assert named.keys() == {0, 1}
    assert not named[0]
    assert len(named[1]) > 5
    assert "clip-9" in named[1]


def test_synchronized_batch_norm_is_that_of_the_whole_batch(results, program):
    whole, mask = program.batch_norm_input()
    norm = MaskedBatchNorm1d(3)
    x = whole.requires_grad_()
    y = norm(x, mask)
    (y.masked_fill(mask[:, None], 0.0) ** 3).sum().backward()
    found = [result["batch_norm"] for result in results]
    valid = ~mask[:, None].expand_as(y)
    output = torch.cat([part["output"] for part in found])
    torch.testing.assert_close(output[valid], y.detach()[valid])
    gradient = torch.cat([part["input_gradient"] for part in found])
    torch.testing.assert_close(gradient[valid], x.grad[valid], rtol=1e-4, atol=1e-5)
    weight = found[0]["weight_gradient"] + found[1]["weight_gradient"]
    torch.testing.assert_close(weight, norm.weight.grad)
    for part in found:
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            torch.testing.assert_close(part["state"][name], norm.state_dict()[name])


def test_sharded_training_is_training_and_its_checkpoints_are_whole(results, folder, program):
    total = sum(p.numel() for p in program.build_model().parameters())
    found = [result["sharded"] for result in results]
    assert sum(part["part"] for part in found) == total
    assert max(part["part"] for part in found) < 0.6 * total
    plain = results[0]["head"]
    loss = pytest.approx(plain["metrics"]["eval_loss"], abs=1e-4)
    assert [part["metrics"]["eval_loss"] for part in found] == [loss, loss]
    for name in ("fsdp/checkpoint-5", "whole", "resumed/checkpoint-5", "resumed-whole"):
        state = Wav2Vec2ConformerForCTC.from_pretrained(folder / name).state_dict()
        assert_same_parameters(state, plain["state"], atol=1e-5)
