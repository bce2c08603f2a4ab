"""Intervals cover the truth as often as they say, and draw speakers where these are known."""

import numpy as np
import pytest

from wav2vec2_conformer.evaluation.bootstrap import (
    bootstrap_rate,
    choose_resampled,
    draw_sums,
    sum_by_unit,
)


def test_interval_covers_the_true_rate_in_about_95_of_100_test_sets():
    rng = np.random.default_rng(0)
    num_covered = 0
    for seed in range(200):
        lengths = rng.integers(5, 20, size=150)
        units = np.stack([rng.binomial(lengths, 0.2), lengths], axis=1)
        interval = bootstrap_rate(units, seed=seed)
        num_covered += interval.low <= 0.2 <= interval.high
    assert 0.90 <= num_covered / 200 <= 0.99


def test_more_utterances_give_a_narrower_interval():
    few = bootstrap_rate(np.array([[1, 10], [4, 10]] * 10))
    many = bootstrap_rate(np.array([[1, 10], [4, 10]] * 1000))
    ratio = (few.high - few.low) / (many.high - many.low)
    assert ratio == pytest.approx(10, rel=0.3)  # the square root of 100


def test_equal_seeds_give_equal_intervals():
    units = np.array([[1, 10], [4, 10], [0, 7], [9, 9]])
    assert bootstrap_rate(units, seed=3) == bootstrap_rate(units, seed=3)
    assert bootstrap_rate(units, seed=3) != bootstrap_rate(units, seed=4)


def test_one_unit_has_no_interval():
    assert bootstrap_rate(np.array([[1, 10]])) is None


def test_empty_references_alone_count_insertions():
    interval = bootstrap_rate(np.array([[2, 0], [2, 0]]))
    assert (interval.low, interval.high) == (4.0, 4.0)


def test_draws_in_blocks_are_as_many_as_asked(monkeypatch):
    monkeypatch.setattr("wav2vec2_conformer.evaluation.bootstrap._BLOCK_SIZE", 7)
    sums = draw_sums(np.array([[1, 2], [1, 2], [1, 2]]), num_samples=11)
    assert sums.tolist() == [[3, 6]] * 11


@pytest.mark.parametrize(
    ("speakers", "resampled"),
    [
        (None, "utterance"),
        (["a", "b"] * 10, "utterance"),
        ([str(i) for i in range(9)] * 2, "utterance"),
        ([str(i) for i in range(10)] * 2, "speaker"),
        ([*map(str, range(10)), None], "utterance"),
    ],
)
def test_speakers_are_drawn_where_all_are_known_and_ten(speakers, resampled):
    assert choose_resampled(speakers) == resampled


def test_utterances_of_a_speaker_are_one_unit():
    speakers = [str(i % 10) for i in range(20)]
    columns = np.stack([np.arange(20), np.ones(20, dtype=np.int64)], axis=1)
    units = sum_by_unit(columns, speakers)
    assert units.tolist() == [[i + (i + 10), 2] for i in range(10)]
    assert sum_by_unit(columns, None) is columns


def test_errors_that_go_with_speakers_widen_the_interval():
    rng = np.random.default_rng(0)
    speakers = [str(i % 12) for i in range(600)]
    rates = np.linspace(0.05, 0.5, 12)
    errors = rng.binomial(20, [rates[i % 12] for i in range(600)])
    columns = np.stack([errors, np.full(600, 20)], axis=1)
    by_speaker = bootstrap_rate(sum_by_unit(columns, speakers))
    by_utterance = bootstrap_rate(columns)
    assert by_speaker.high - by_speaker.low > 3 * (by_utterance.high - by_utterance.low)
