"""Scores of a classifier as text and JSON."""

import json

import numpy as np

from wav2vec2_conformer.cli.classification_report import format_scores, scores_as_json
from wav2vec2_conformer.evaluation.classification import (
    score_multi_label,
    score_regression,
    score_single_label,
)


def test_many_labels_show_their_most_frequent_confusions() -> None:
    labels = [f"label {i}" for i in range(30)]
    references = np.array([1, 1, 1, 1, 5, 5, 7])
    predictions = np.array([2, 2, 2, 1, 6, 6, 7])
    text = format_scores(
        score_single_label(references, predictions, labels), manifest="set", num_clips=7
    )
    shown = text[text.index("most frequent confusions") :].splitlines()[1:]
    assert [line.split() for line in shown[1:]] == [
        ["label", "1", "label", "2", "3"],
        ["label", "5", "label", "6", "2"],
    ]


def test_columns_are_aligned_and_control_characters_are_shown() -> None:
    labels = ["a\x1b[31m", "long label"]
    scores = score_single_label(np.array([0, 1, 1]), np.array([0, 1, 1]), labels)
    text = format_scores(scores, manifest="set", num_clips=3)
    assert "\x1b" not in text
    first = text.splitlines().index(next(t for t in text.splitlines() if t.startswith("label ")))
    table = text.splitlines()[first : first + 3]
    assert [row.split("  ")[0] for row in table] == ["label", "a\ufffd[31m", "long label"]
    # The numbers of all rows end in the same places.
    assert len({len(row) for row in table}) == 1
    assert table[1].index("1.0000") == table[0].index("precision") + len("precision") - 6


def test_what_is_not_defined_is_a_dash_and_null() -> None:
    references = np.array([[True, False], [True, False]])
    scores = score_multi_label(references, np.array([[0.9, 0.1], [0.8, 0.2]]), ["a", "b"])
    row = format_scores(scores, manifest="set", num_clips=2).splitlines()[-1]
    assert row.split() == ["b", "0.0000", "0.0000", "0.0000", "0", "0", "-"]
    record = json.loads(json.dumps(scores_as_json(scores), allow_nan=False))
    assert record["labels"][1]["average_precision"] is None
    assert record["mean_average_precision"]["value"] == 1.0


def test_each_output_of_a_regression_has_its_rows() -> None:
    numbers = np.arange(6.0).reshape(3, 2)
    scores = score_regression(numbers, numbers + 0.5, ["valence", "arousal"])
    lines = format_scores(scores, manifest="set", num_clips=3).splitlines()
    assert [line.split("  ")[0] for line in lines[2:]] == [
        f"{output}: {measure}"
        for output in ("valence", "arousal")
        for measure in ("mean absolute error", "Pearson r", "CCC")
    ]
    assert lines[2].split()[4] == "0.5000"
