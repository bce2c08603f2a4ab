"""Labels of clips become targets, and scores of logits are those of the evaluation."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.errors import InputError, ManifestError
from wav2vec2_conformer.training.classification import (
    build_label_metric,
    build_targets,
    list_outputs,
    read_labels,
)

SINGLE, MULTI = "single_label_classification", "multi_label_classification"


def clip(label=None, **extra):
    return Utterance(Path("a.wav"), 1.0, "", label=label, extra=extra)


def test_a_clip_has_a_label_or_a_list_of_them():
    assert read_labels(clip("yes")) == ["yes"]
    assert read_labels(clip(labels=[1.5, 2])) == ["1.5", "2"]
    with pytest.raises(ManifestError, match=r"a\.wav: has no label"):
        read_labels(clip())


def test_outputs_are_the_labels_in_alphabetical_order():
    assert list_outputs([["b"], ["a"], ["b"]], SINGLE) == ["a", "b"]
    assert list_outputs([["1", "2"]], "regression") == ["value_0", "value_1"]
    with pytest.raises(InputError, match="nothing to tell apart"):
        list_outputs([["a"], ["a"]], SINGLE)


def test_targets_are_indices_rows_or_numbers():
    clips = [clip(), clip()]
    assert [int(t) for t in build_targets(clips, [["b"], ["a"]], ["a", "b"], SINGLE)] == [1, 0]
    several = build_targets(clips, [["b", "a"], []], ["a", "b"], MULTI)
    assert [target.tolist() for target in several] == [[1, 1], [0, 0]]
    numbers = build_targets(clips, [["1.5"], ["-2"]], ["value"], "regression")
    assert [target.tolist() for target in numbers] == [[1.5], [-2.0]]


@pytest.mark.parametrize(
    ("labels", "problem", "message"),
    [
        (["c"], SINGLE, "the training data has no label 'c'; it has a, b"),
        (["a", "b"], SINGLE, "has 2 labels; with problem_type="),
        (["loud"], "regression", "a regression learns numbers"),
        (["1", "nan"], "regression", "expected 2 finite numbers"),
        (["1"], "regression", "expected 2 finite numbers"),
    ],
)
def test_labels_that_do_not_fit_are_named(labels, problem, message):
    with pytest.raises(ManifestError, match=message):
        build_targets([clip()], [labels], ["a", "b"], problem)


def scores(problem, logits, targets, names=("a", "b")):
    compute = build_label_metric(names, problem)
    return compute(SimpleNamespace(predictions=np.array(logits), label_ids=np.array(targets)))


def test_accuracy_counts_the_highest_logit():
    found = scores(SINGLE, [[2, 1], [0, 1], [3, 0]], [0, 1, 1])
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_several_labels_are_judged_at_one_half():
    found = scores(MULTI, [[1, -1], [1, 1]], [[1, 0], [1, 1]])
    assert found == {"macro_f1": 1.0, "mean_average_precision": 1.0}


def test_numbers_have_an_error_and_a_correlation():
    found = scores("regression", [[1.0], [2.0], [4.0]], [[1.0], [2.0], [3.0]], names=("value",))
    assert found["mean_absolute_error"] == pytest.approx(1 / 3)
    assert found["pearson"] > 0.9
