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
from wav2vec2_conformer.training.report.examples import read_examples

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


def hardest(folder, problem, logits, targets, names=("a", "b")):
    """Return the clips, what is right and what the model said, hardest first."""
    prediction = SimpleNamespace(
        predictions=np.array(logits),
        label_ids=np.array(targets),
        inputs=[f"/data/folder/{k}.wav" for k in range(len(logits))],
    )
    build_label_metric(names, problem, folder)(prediction)
    return [(e.name, e.reference, e.hypothesis) for e in read_examples(folder)]


def test_clips_whose_label_was_least_likely_are_shown_first(tmp_path):
    logits = np.log([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    assert hardest(tmp_path, SINGLE, logits, [0, 0, 0]) == [
        ("folder/1.wav", "a", "b 80.0 %, a 20.0 %"),
        ("folder/2.wav", "a", "b 60.0 %, a 40.0 %"),
        ("folder/0.wav", "a", "a 90.0 %, b 10.0 %"),
    ]


def test_hardest_of_several_labels_and_of_numbers(tmp_path):
    assert hardest(tmp_path, MULTI, [[9, -9], [9, 0]], [[1, 0], [0, 0]]) == [
        ("folder/1.wav", "none", "a 100.0 %, b 50.0 %"),
        ("folder/0.wav", "a", "a 100.0 %, b 0.0 %"),
    ]
    found = hardest(tmp_path, "regression", [[1.0], [2.5], [3.1]], [[1.0], [2.0], [3.0]], ["v"])
    assert [name for name, _, _ in found] == ["folder/1.wav", "folder/2.wav", "folder/0.wav"]
    assert found[0][1:] == ("2", "2.5")
