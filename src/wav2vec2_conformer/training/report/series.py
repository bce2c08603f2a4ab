"""Curves of a run: which there are, and their points."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_SAMPLE_RATE_HZ = 16_000
# Enough for a chart of 440 units.
_MAX_POINTS = 300


@dataclass(frozen=True, slots=True)
class Series:
    """One curve.

    Attributes:
        label: What the legend says.
        steps: Updates.
        values: One for each.
        is_evaluation: Whether it is from the validation set.
    """

    label: str
    steps: list[int]
    values: list[float]
    is_evaluation: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves that share axes.

    Attributes:
        title: Of the chart.
        series: The curves, at least one.
        note: A sentence below it.
        level: A value to draw a line at, such as chance; None for none.
        is_percent: Whether values are parts of one, to be shown as percent.
        is_log: Whether the axis is logarithmic.
        is_smoothed: Whether to draw running means over curves with many points.
    """

    title: str
    series: list[Series]
    note: str = ""
    level: float | None = None
    is_percent: bool = False
    is_log: bool = False
    is_smoothed: bool = True


# Title, names of log lines with their labels, whether percent.
_CHARTS: tuple[tuple[str, dict[str, str], bool], ...] = (
    ("Loss", {"loss": "training", "eval_loss": "validation"}, False),
    ("Error rates", {"eval_wer": "WER", "eval_cer": "CER"}, True),
    ("Equal error rate", {"eval_eer": "EER"}, True),
    (
        "Frame errors",
        {
            "eval_frame_error_rate": "all",
            "eval_miss_rate": "missed",
            "eval_false_alarm_rate": "false alarm",
            "eval_confusion_rate": "confused",
        },
        True,
    ),
    (
        "Contrastive loss",
        {"contrastive_loss": "training", "eval_contrastive_loss": "validation"},
        False,
    ),
    (
        "Accuracy",
        {"accuracy": "training", "eval_accuracy": "validation", "eval_macro_f1": "macro-F1"},
        True,
    ),
    (
        "Code perplexity",
        {f"code_perplexity_{n}": f"codebook {n}" for n in range(1, 9)}
        | {f"eval_code_perplexity_{n}": f"codebook {n}, validation" for n in range(1, 9)},
        False,
    ),
    (
        "Diversity loss",
        {"diversity_loss": "training", "eval_diversity_loss": "validation"},
        False,
    ),
    (
        "Distractors left out",
        {"equal_distractors": "training", "eval_equal_distractors": "validation"},
        True,
    ),
    ("Masked frames", {"masked_share": "training", "eval_masked_share": "validation"}, True),
    ("Learning rate", {"learning_rate": "training"}, False),
    ("Gradient norm", {"grad_norm": "before clipping"}, False),
    ("Gumbel temperature", {"gumbel_temperature": "training"}, False),
)
_NO_CURVES = ("step", "epoch", "total_flos", "num_input_tokens_seen", "train_loss")
_SPREAD_FOR_LOG = 30.0
_SMOOTH_ALREADY = frozenset({"Learning rate", "Gumbel temperature"})


def build_charts(
    history: Sequence[Mapping[str, Any]], num_distractors: int | None = None
) -> list[Chart]:
    """Return the charts that the log lines of a run give.

    Args:
        history: Log lines in order.
        num_distractors: Of pre-training, for the level of chance; None if unknown.
    """
    by_name = _collect(history)
    charts = []
    for title, labels, is_percent in _CHARTS:
        series = [
            Series(label, *by_name.pop(name), is_evaluation=name.startswith("eval_"))
            for name, label in labels.items()
            if name in by_name
        ]
        if series:
            level, note = _chance(title, num_distractors)
            is_log = title == "Gradient norm" and _is_wide(series[0].values)
            is_smoothed = title not in _SMOOTH_ALREADY
            charts.append(Chart(title, series, note, level, is_percent, is_log, is_smoothed))
    steps, speeds = measure_speeds(history)
    if steps:
        label = "seconds of audio a second"
        charts.append(Chart("Speed", [Series(label, steps, speeds, is_evaluation=False)]))
    return charts + _others(by_name)


def measure_speeds(history: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[float]]:
    """Return updates, and seconds of audio a second since the log line before.

    Intervals with an evaluation in them, or a resumption, are left out.
    """
    steps, speeds = [], []
    for before, line in pairwise(history):
        if "loss" not in before or "loss" not in line:
            continue
        wall_s = line.get("train_runtime", 0.0) - before.get("train_runtime", 0.0)
        samples = line.get("num_input_tokens_seen", 0) - before.get("num_input_tokens_seen", 0)
        if wall_s > 0 and samples > 0:
            steps.append(int(line["step"]))
            speeds.append(samples / _SAMPLE_RATE_HZ / wall_s)
    return thin(steps, speeds)


def _others(by_name: Mapping[str, tuple[list[int], list[float]]]) -> list[Chart]:
    """Return charts of what a task logs beyond what is known here."""
    charts = []
    for name in sorted({name.removeprefix("eval_") for name in by_name}):
        if name in _NO_CURVES or name.endswith(("_runtime", "_per_second", "runtime")):
            continue
        series = [
            Series(label, *by_name[key], is_evaluation=key.startswith("eval_"))
            for key, label in ((name, "training"), (f"eval_{name}", "validation"))
            if key in by_name
        ]
        charts.append(Chart(name.replace("_", " ").capitalize(), series))
    return charts


def _collect(
    history: Sequence[Mapping[str, Any]],
) -> dict[str, tuple[list[int], list[float]]]:
    """Return steps and finite values by name."""
    by_name: dict[str, tuple[list[int], list[float]]] = {}
    for line in history:
        for name, value in line.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if name not in {"step", "epoch"} and is_number and math.isfinite(value):
                steps, values = by_name.setdefault(name, ([], []))
                steps.append(int(line["step"]))
                values.append(float(value))
    return {name: thin(*points) for name, points in by_name.items()}


def thin(steps: list[int], values: list[float]) -> tuple[list[int], list[float]]:
    """Return at most a few hundred points: means of equal parts, and the last point as it is."""
    if len(steps) <= _MAX_POINTS:
        return steps, values
    size = -(-len(steps) // _MAX_POINTS)
    parts = [slice(start, start + size) for start in range(0, len(steps) - 1, size)]
    means = [values[part] for part in parts]
    return (
        [steps[part][-1] for part in parts[:-1]] + [steps[-1]],
        [sum(part) / len(part) for part in means[:-1]] + [values[-1]],
    )


def smooth(values: Sequence[float], width: int) -> list[float]:
    """Return the mean of each value and those before it, `width` of them at most."""
    return [
        sum(values[max(0, i + 1 - width) : i + 1]) / min(width, i + 1) for i in range(len(values))
    ]


def _chance(title: str, num_distractors: int | None) -> tuple[float | None, str]:
    if num_distractors is None:
        return None, ""
    candidates = num_distractors + 1
    if title == "Contrastive loss":
        level = math.log(candidates)
        return level, f"In nats. Dashed: guessing among {candidates}, {level:.3f}."
    if title == "Accuracy":
        return 1 / candidates, f"Dashed: guessing among {candidates}, {100 / candidates:.1f} %."
    return None, ""


def _is_wide(values: Sequence[float]) -> bool:
    positive = [value for value in values if value > 0]
    return len(positive) == len(values) and max(positive) / min(positive) > _SPREAD_FOR_LOG
