"""Batches of similar length within a budget."""

import numpy as np

from wav2vec2_conformer.inference.batching import plan_batches


def test_every_item_occurs_once_and_batches_fit() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 200).tolist()
    batches = plan_batches(lengths, 250)
    assert sorted(index for batch in batches for index in batch) == list(range(200))
    for batch in batches:
        assert len(batch) * max(lengths[index] for index in batch) <= 250


def test_items_of_similar_length_share_a_batch() -> None:
    assert plan_batches([10, 100, 11, 99], 200) == [[1, 3], [2, 0]]


def test_an_item_beyond_the_budget_is_alone() -> None:
    assert plan_batches([5, 500, 5], 10) == [[1], [0, 2]]


def test_no_items_make_no_batches() -> None:
    assert plan_batches([], 10) == []
