"""Processes of a distributed run do the same thing together."""

import torch
import torch.multiprocessing as mp

from wav2vec2_conformer.training.health.agreement import agree_on_most_severe


def test_alone_everything_is_agreed():
    assert agree_on_most_severe("warn", "cpu") == "warn"


def agree(rank, store, results):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=2
    )
    wanted = [("ignore", "roll_back"), ("warn", "warn"), ("stop", "roll_back")]
    agreed = [agree_on_most_severe(pair[rank], "cpu") for pair in wanted]
    results[rank] = agreed
    torch.distributed.destroy_process_group()


def test_the_most_severe_action_of_two_processes_counts(tmp_path):
    context = mp.get_context("spawn")
    with context.Manager() as manager:
        results = manager.dict()
        mp.spawn(agree, args=(str(tmp_path / "store"), results), nprocs=2)
        assert dict(results) == {rank: ["roll_back", "warn", "stop"] for rank in (0, 1)}
