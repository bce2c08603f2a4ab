"""Batches by seconds: within the budget, complete, repeatable, equally many in each epoch."""

import numpy as np
import pytest
from accelerate import Accelerator, skip_first_batches
from torch.utils.data import DataLoader

from wav2vec2_conformer.data.batching import BUCKET_RATIO, Draw, DurationBatchSampler
from wav2vec2_conformer.errors import InputError


def durations(number=500, seed=0):
    return np.random.default_rng(seed).gamma(2.0, 3.0, number) + 0.3


def batches(sampler, epoch):
    sampler.set_epoch(epoch)
    return list(sampler)


def padded_seconds(batch, seconds):
    return len(batch) * max(seconds[draw.clip] for draw in batch)


@pytest.mark.parametrize("epoch", [0, 1, 2])
@pytest.mark.parametrize("shuffle", [True, False])
def test_every_clip_is_drawn_once_within_the_budget(epoch, shuffle):
    seconds = durations()
    sampler = DurationBatchSampler(seconds, 40.0, shuffle=shuffle)
    drawn = batches(sampler, epoch)
    assert sorted(draw for batch in drawn for draw in batch) == [
        Draw(epoch, i) for i in range(len(seconds))
    ]
    assert all(padded_seconds(batch, seconds) <= 40.0 for batch in drawn if len(batch) > 1)
    assert len(drawn) == len(sampler)


def test_padding_is_small():
    seconds = durations(5000)
    drawn = batches(DurationBatchSampler(seconds, 40.0), 3)
    padded = sum(padded_seconds(batch, seconds) for batch in drawn)
    assert padded / seconds.sum() < BUCKET_RATIO
    assert len(drawn) < 1.25 * seconds.sum() / 40.0


def test_clip_beyond_the_budget_goes_alone():
    drawn = batches(DurationBatchSampler([1.0, 30.0, 1.0, 25.0], 10.0), 1)
    assert sorted(sorted(draw.clip for draw in batch) for batch in drawn) == [[0, 2], [1], [3]]


def test_first_epoch_is_ascending_and_the_next_is_not():
    seconds = durations()
    sampler = DurationBatchSampler(seconds, 40.0, shortest_first_epochs=1)
    longest = [max(seconds[d.clip] for d in batch) for batch in batches(sampler, 0)]
    assert longest == sorted(longest)
    longest = [max(seconds[d.clip] for d in batch) for batch in batches(sampler, 1)]
    assert longest != sorted(longest)


def test_epochs_differ_in_neighbours_and_a_seed_repeats_them():
    sampler = DurationBatchSampler(durations(), 40.0, seed=3)
    again = DurationBatchSampler(durations(), 40.0, seed=3)
    other = DurationBatchSampler(durations(), 40.0, seed=4)

    def groups(drawn):
        return {frozenset(draw.clip for draw in batch) for batch in drawn}

    first, second = batches(sampler, 1), batches(sampler, 2)
    assert len(groups(first) & groups(second)) < len(first) / 4
    assert batches(again, 2) == second
    assert batches(again, 1) == first
    assert batches(other, 1) != first


@pytest.mark.parametrize("num_workers", [0, 1])
def test_skipped_batches_are_those_that_were_trained_on(num_workers):
    seconds = durations(100)

    def loader():
        sampler = DurationBatchSampler(seconds, 40.0)
        return sampler, Accelerator(cpu=True).prepare(
            DataLoader(_Echo(), batch_sampler=sampler, collate_fn=list, num_workers=num_workers)
        )

    _, whole = loader()
    whole.set_epoch(2)
    expected = list(whole)
    sampler, resumed = loader()
    resumed = skip_first_batches(resumed, 3)
    sampler.set_epoch(2)
    assert list(resumed) == expected[3:]
    assert expected[0][0].epoch == 2


class _Echo:
    def __len__(self):
        return 100

    def __getitem__(self, draw):
        return draw


@pytest.mark.parametrize(
    ("seconds", "budget", "message"),
    [
        ([], 10.0, "empty"),
        ([1.0, 0.0], 10.0, r"durations_s must be positive, got 0\.0"),
        ([1.0], 0.0, r"batch_seconds must be positive, got 0\.0"),
    ],
)
def test_wrong_arguments_are_refused(seconds, budget, message):
    with pytest.raises(InputError, match=message):
        DurationBatchSampler(seconds, budget)


@pytest.mark.parametrize("num_processes", [2, 3, 5])
def test_processes_get_as_many_batches_and_every_clip_comes_once(num_processes):
    durations = [1.0 + 0.1 * i for i in range(23)]
    sampler = DurationBatchSampler(durations, 7.0, num_processes=num_processes)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert len(batches) == len(sampler)
        assert len(batches) % num_processes == 0
        assert sorted(draw.clip for batch in batches for draw in batch) == list(range(23))


def test_fewer_clips_than_processes_are_refused():
    with pytest.raises(InputError, match="2 clips are too few for 3 processes"):
        DurationBatchSampler([1.0, 2.0], 10.0, num_processes=3)


def test_mean_and_longest_batch_are_known():
    sampler = DurationBatchSampler([1.0, 1.0, 4.0, 4.0], 8.0)
    assert sampler.mean_batch_s == pytest.approx(10.0 / len(sampler))
    assert {draw.clip for draw in sampler.longest_batch} == {2, 3}
