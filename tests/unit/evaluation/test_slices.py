"""Slices hold every utterance once, under the label a reader looks for."""

import pytest

from wav2vec2_conformer.evaluation.error_counts import ErrorCounts
from wav2vec2_conformer.evaluation.slices import (
    NO_LABEL,
    duration_bin,
    slice_by_duration,
    slice_by_label,
)


def errors(num_errors: int, num_reference: int) -> ErrorCounts:
    return ErrorCounts(num_reference, num_errors, 0, 0)


@pytest.mark.parametrize(
    ("duration_s", "name"),
    [(0.1, "0-2 s"), (2.0, "2-5 s"), (29.9, "20-30 s"), (30.0, "30 s and more")],
)
def test_a_bin_starts_at_its_first_number(duration_s, name):
    assert duration_bin(duration_s) == name


def test_slices_add_up_and_the_highest_rate_is_first():
    counts = [errors(1, 10), errors(5, 10), errors(0, 10), errors(3, 10)]
    slices = slice_by_label(["a", "b", "a", None], counts, [1.0, 2.0, 3.0, 4.0])
    assert [(s.label, s.num_utterances, s.duration_s) for s in slices] == [
        ("b", 1, 2.0),
        (NO_LABEL, 1, 4.0),
        ("a", 2, 4.0),
    ]
    assert slices[2].counts == errors(1, 20)
    assert slices[2].interval.low <= 1 / 20 <= slices[2].interval.high
    assert slices[0].interval is None


def test_an_unknown_duration_makes_the_sum_unknown():
    (part,) = slice_by_label(["a", "a"], [errors(0, 1)] * 2, [1.0, None])
    assert part.duration_s is None


def test_duration_bins_are_in_order_of_duration():
    durations_s = [40.0, 1.0, 12.0, 7.0, 100.0]
    slices = slice_by_duration([errors(0, 1)] * 5, durations_s)
    assert [s.label for s in slices] == ["0-2 s", "5-10 s", "10-15 s", "30 s and more"]
    assert sum(s.num_utterances for s in slices) == 5
