"""Scores of evaluations: their names and numbers for people."""

import math
from collections.abc import Mapping
from typing import Any

from wav2vec2_conformer.training.report.line_chart import format_value

# In the order in which they are shown.
_NAMES = {
    "wer": "WER",
    "cer": "CER",
    "eer": "EER",
    "frame_error_rate": "frame error rate",
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "loss": "loss",
}
_PERCENT = frozenset(
    {
        "wer",
        "cer",
        "eer",
        "frame_error_rate",
        "miss_rate",
        "false_alarm_rate",
        "confusion_rate",
        "accuracy",
        "macro_f1",
        "mean_average_precision",
        "equal_distractors",
        "masked_share",
    }
)


def label_metric(metric: str) -> str:
    """Return what to call a metric, given its name without `eval_`."""
    return _NAMES.get(metric, metric.replace("_", " "))


def format_metric(name: str, value: Any) -> str:
    """Return a value of an evaluation, error rates in percent.

    Args:
        name: Its name, without `eval_`.
        value: The value.
    """
    if not isinstance(value, int | float) or not math.isfinite(value):
        return str(value)
    if name in _PERCENT:
        return f"{100 * value:.2f} %"
    return format_value(value)


def metrics_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of an evaluation's line by name, speeds left out."""
    names = {name: name.removeprefix("eval_") for name in line if name.startswith("eval_")}
    kept = {
        short: line[name]
        for name, short in names.items()
        if not short.endswith(("runtime", "_per_second"))
    }
    order = [*_NAMES, *kept]
    return dict(sorted(kept.items(), key=lambda item: order.index(item[0])))
