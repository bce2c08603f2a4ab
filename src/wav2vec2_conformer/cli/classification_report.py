"""Scores of a classifier on a test set, as text and as JSON."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wav2vec2_conformer.evaluation.classification import (
        LabelScores,
        Measure,
        MultiLabelScores,
        RegressionScores,
        SingleLabelScores,
    )

# Larger matrices are no use on a terminal; their largest errors are listed instead.
_MAX_MATRIX_LABELS = 20
_NUM_CONFUSIONS_SHOWN = 20


def format_scores(
    scores: "SingleLabelScores | MultiLabelScores | RegressionScores",
    *,
    manifest: str,
    num_clips: int,
) -> str:
    """Return scores as tables in plain text.

    Args:
        scores: From `evaluation.classification`.
        manifest: Name of the test set.
        num_clips: Clips that were scored.
    """
    from wav2vec2_conformer.evaluation.classification import RegressionScores, SingleLabelScores

    drawn = "speakers" if scores.resampled == "speaker" else "clips"
    lines = [f"{manifest}: {num_clips} clips, 95% intervals over {drawn}"]
    if isinstance(scores, RegressionScores):
        rows = [["", "", "95% interval"]]
        for output in scores.outputs:
            rows += [
                [f"{output.label}: mean absolute error", *_cells(output.mean_absolute_error)],
                [f"{output.label}: Pearson r", *_cells(output.pearson)],
                [f"{output.label}: CCC", *_cells(output.concordance)],
            ]
        return _join([*lines, *_align(rows)])
    rows = [["", "", "95% interval"]]
    if isinstance(scores, SingleLabelScores):
        rows.append(["accuracy", *_cells(scores.accuracy)])
        rows.append(["macro-F1", *_cells(scores.macro_f1)])
        return _join(
            [
                *[*lines, *_align(rows), "", *_label_table(scores.labels), ""],
                *_confusion_table(scores),
            ]
        )
    rows.append(["mean average precision", *_cells(scores.mean_average_precision)])
    rows.append(["macro-F1 at 0.5", *_cells(scores.macro_f1)])
    rows.append(["micro-F1 at 0.5", *_cells(scores.micro_f1)])
    return _join([*lines, *_align(rows), "", *_label_table(scores.labels)])


def scores_as_json(
    scores: "SingleLabelScores | MultiLabelScores | RegressionScores",
) -> dict[str, Any]:
    """Return scores as values of JSON; what is not defined is null."""
    record: dict[str, Any] = _without_nan(asdict(scores))
    return record


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value.tolist() if hasattr(value, "tolist") else value


def _cells(measure: "Measure") -> list[str]:
    interval = measure.interval
    shown = "-" if interval is None else f"{interval.low:.4f} to {interval.high:.4f}"
    return [_number(measure.value), shown]


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _label_table(labels: "Sequence[LabelScores]") -> list[str]:
    has_precision_curve = any(label.average_precision is not None for label in labels)
    titles = ["label", "precision", "recall", "F1", "clips", "predicted"]
    rows = [titles + ["average precision"] * has_precision_curve]
    for label in labels:
        row = [label.label, *map(_number, (label.precision, label.recall, label.f1))]
        row += [str(label.num_references), str(label.num_predictions)]
        if label.average_precision is not None:
            row.append(_number(label.average_precision))
        rows.append(row)
    return _align(rows)


def _confusion_table(scores: "SingleLabelScores") -> list[str]:
    names = [label.label for label in scores.labels]
    if len(names) <= _MAX_MATRIX_LABELS:
        counts = [[str(count) for count in row] for row in scores.confusion]
        rows = [[name, *row] for name, row in zip(names, counts, strict=True)]
        return [
            "confusion matrix (row: reference, column: predicted)",
            *_align([["", *names], *rows]),
        ]
    return [f"{_NUM_CONFUSIONS_SHOWN} most frequent confusions", *_align(list(_worst(scores)))]


def _worst(scores: "SingleLabelScores") -> Iterator[list[str]]:
    names = [label.label for label in scores.labels]
    pairs = [
        (int(count), i, j)
        for i, row in enumerate(scores.confusion)
        for j, count in enumerate(row)
        if count and i != j
    ]
    yield ["reference", "predicted", "clips"]
    for count, i, j in sorted(pairs, key=lambda pair: -pair[0])[:_NUM_CONFUSIONS_SHOWN]:
        yield [names[i], names[j], str(count)]


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose first column is aligned left and all others right."""
    shown = [[_printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in shown
    ]


def _printable(text: str) -> str:
    """Show what would move the cursor or hide text; labels may hold anything."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _join(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
