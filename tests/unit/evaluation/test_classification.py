"""Scores of classifiers against values that are counted by hand or by plain loops."""

import math

import numpy as np
import pytest

from wav2vec2_conformer.evaluation.classification import (
    count_confusions,
    score_multi_label,
    score_regression,
    score_single_label,
)

LABELS = ["a", "b", "c", "never"]
# a: 3 of 4 right, b: 1 of 2 right, c: 1 of 1 right and one false alarm.
REFERENCES = np.array([0, 0, 0, 0, 1, 1, 2])
PREDICTIONS = np.array([0, 0, 0, 1, 1, 2, 2])


def plain_average_precision(references: np.ndarray, scores: np.ndarray) -> float:
    """Sum of precision times gain in recall over all thresholds, largest first."""
    area, last_recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        found = [bool(r) for r, s in zip(references, scores, strict=True) if s >= threshold]
        recall = sum(found) / references.sum()
        area += (recall - last_recall) * sum(found) / len(found)
        last_recall = recall
    return area


def test_accuracy_and_macro_f1_of_a_small_example() -> None:
    scores = score_single_label(REFERENCES, PREDICTIONS, LABELS)
    assert scores.accuracy.value == pytest.approx(5 / 7)
    # F1: a 2*3/(4+3), b 2*1/(2+2), c 2*1/(1+2); the fourth label occurs nowhere.
    assert scores.macro_f1.value == pytest.approx((6 / 7 + 1 / 2 + 2 / 3) / 3)


def test_each_label_has_its_own_scores() -> None:
    a, b, c, never = score_single_label(REFERENCES, PREDICTIONS, LABELS).labels
    assert (a.label, a.precision, a.recall) == ("a", 1.0, 0.75)
    assert (b.precision, b.recall, b.f1) == (0.5, 0.5, 0.5)
    assert (c.precision, c.recall, c.num_references, c.num_predictions) == (0.5, 1.0, 1, 2)
    assert (never.precision, never.recall, never.f1, never.num_references) == (0, 0, 0, 0)


def test_a_label_that_is_only_predicted_counts_as_zero() -> None:
    scores = score_single_label(np.array([0, 0]), np.array([0, 1]), ["a", "b"])
    assert scores.macro_f1.value == pytest.approx((2 / 3 + 0) / 2)


def test_rows_of_the_confusion_matrix_are_references() -> None:
    expected = [[3, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert count_confusions(REFERENCES, PREDICTIONS, 4).tolist() == expected


def test_the_interval_of_accuracy_is_that_of_a_proportion() -> None:
    rng = np.random.default_rng(1)
    references = rng.integers(3, size=400)
    predictions = np.where(rng.random(400) < 0.8, references, (references + 1) % 3)
    scores = score_single_label(references, predictions, LABELS[:3])
    interval = scores.accuracy.interval
    assert interval is not None
    accuracy = scores.accuracy.value
    half_width = 1.96 * math.sqrt(accuracy * (1 - accuracy) / 400)
    assert interval.low == pytest.approx(accuracy - half_width, abs=0.01)
    assert interval.high == pytest.approx(accuracy + half_width, abs=0.01)
    f1_interval = scores.macro_f1.interval
    assert f1_interval is not None
    assert f1_interval.low < scores.macro_f1.value < f1_interval.high


def test_intervals_are_wider_where_speakers_are_all_right_or_all_wrong() -> None:
    speakers = [f"speaker {i // 20}" for i in range(400)]
    is_right = np.arange(400) // 20 % 4 != 0  # every fourth speaker is misunderstood
    references = np.zeros(400, dtype=np.int64)
    predictions = np.where(is_right, 0, 1)
    by_clip = score_single_label(references, predictions, LABELS)
    by_speaker = score_single_label(references, predictions, LABELS, speakers=speakers)
    assert (by_clip.resampled, by_speaker.resampled) == ("utterance", "speaker")
    assert by_clip.accuracy.value == by_speaker.accuracy.value == 0.75
    narrow, wide = by_clip.accuracy.interval, by_speaker.accuracy.interval
    assert narrow is not None
    assert wide is not None
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_seeds_decide_the_draws() -> None:
    first, again, other = (
        score_single_label(REFERENCES, PREDICTIONS, LABELS, seed=seed).macro_f1
        for seed in (0, 0, 5)
    )
    assert first == again
    assert first.value == other.value
    assert first.interval != other.interval


def test_one_clip_has_no_interval() -> None:
    scores = score_single_label(np.array([1]), np.array([1]), LABELS)
    assert (scores.accuracy.value, scores.accuracy.interval) == (1.0, None)


@pytest.mark.parametrize("num_levels", [4, 1000])
def test_average_precision_is_the_sum_over_thresholds(num_levels: int) -> None:
    rng = np.random.default_rng(0)
    references = rng.random((40, 3)) < [0.5, 0.2, 0.1]
    probabilities = rng.integers(num_levels, size=(40, 3)) / num_levels  # with equal scores
    scores = score_multi_label(references, probabilities, LABELS[:3])
    expected = [plain_average_precision(references[:, i], probabilities[:, i]) for i in range(3)]
    assert [label.average_precision for label in scores.labels] == pytest.approx(expected)
    assert scores.mean_average_precision.value == pytest.approx(sum(expected) / 3)


def test_a_known_average_precision() -> None:
    # The example of scikit-learn's documentation: 1/2 * 1 + 1/2 * 2/3.
    references = np.array([[False], [False], [True], [True]])
    probabilities = np.array([[0.1], [0.4], [0.35], [0.8]])
    scores = score_multi_label(references, probabilities, ["a"])
    assert scores.mean_average_precision.value == pytest.approx(0.8333333)


def test_labels_that_no_clip_has_are_left_out_of_mean_average_precision() -> None:
    references = np.array([[True, False], [False, False]])
    scores = score_multi_label(references, np.array([[0.9, 0.2], [0.1, 0.3]]), ["a", "b"])
    assert scores.mean_average_precision.value == 1.0
    assert math.isnan(scores.labels[1].average_precision or 0.0)


def test_f1_is_taken_from_a_probability_of_one_half_on() -> None:
    references = np.array([[True, False], [True, True], [False, True]])
    probabilities = np.array([[0.5, 0.6], [0.49, 0.9], [0.1, 0.8]])
    scores = score_multi_label(references, probabilities, ["a", "b"])
    # a: one found of two, b: two found of two with one false alarm.
    assert [label.f1 for label in scores.labels] == pytest.approx([2 / 3, 4 / 5])
    assert scores.macro_f1.value == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert scores.micro_f1.value == pytest.approx(2 * 3 / (4 + 4))


def test_numbers_of_a_regression() -> None:
    references = np.array([[1.0], [2.0], [3.0], [4.0]])
    predictions = np.array([[1.5], [2.5], [2.5], [5.5]])
    [output] = score_regression(references, predictions, ["age"]).outputs
    assert output.mean_absolute_error.value == pytest.approx((0.5 + 0.5 + 0.5 + 1.5) / 4)
    # Deviations: references -1.5 -0.5 0.5 1.5, predictions -1.5 -0.5 -0.5 2.5.
    covariance = (1.5 * 1.5 + 0.5 * 0.5 - 0.5 * 0.5 + 1.5 * 2.5) / 4
    variance, other = 5 / 4, (2.25 + 0.25 + 0.25 + 6.25) / 4
    assert output.pearson.value == pytest.approx(covariance / math.sqrt(variance * other))
    assert output.concordance.value == pytest.approx(2 * covariance / (variance + other + 0.25))


def test_concordance_counts_a_shift_that_correlation_does_not() -> None:
    references = np.arange(10.0)[:, None]
    [output] = score_regression(references, references + 3, ["age"]).outputs
    assert output.pearson.value == pytest.approx(1.0)
    assert output.concordance.value == pytest.approx(2 * 8.25 / (2 * 8.25 + 9))


def test_correlation_with_a_constant_is_not_defined() -> None:
    references = np.arange(10.0)[:, None]
    [output] = score_regression(references, np.full((10, 1), 4.0), ["age"]).outputs
    assert math.isnan(output.pearson.value)
    assert output.pearson.interval is None
    assert output.concordance.value == 0.0
