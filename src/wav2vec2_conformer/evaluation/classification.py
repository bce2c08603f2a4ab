"""Scores of a classifier: accuracy, F1, average precision, errors of numbers.

Conventions are scikit-learn's: macro-F1 is the mean over the labels that occur in the
references or the predictions, a ratio with nothing below the line is 0, and average precision
takes equal scores as one threshold. Concordance: Lin 1989, "A concordance correlation
coefficient to evaluate reproducibility", Biometrics 45(1), with population moments.

Shapes used in this file:
    U  clips
    C  labels, or outputs of a regression
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.evaluation.bootstrap import (
    NUM_SAMPLES,
    Interval,
    Resampled,
    choose_resampled,
    percentile_interval,
)

# Right predictions, references and predictions of each label, shape (C,) each.
_Counts = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

# A label of a multi-label model counts as predicted from this probability on.
THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Measure:
    """A number measured on a test set.

    Attributes:
        value: NaN where it is not defined.
        interval: Of the bootstrap; None where there are fewer than two units to draw.
    """

    value: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class LabelScores:
    """How well one label is recognized.

    Attributes:
        label: Its name.
        precision: Right predictions of all predictions of it.
        recall: Right predictions of all clips that have it.
        f1: Harmonic mean of both.
        num_references: Clips that have it.
        num_predictions: Clips for which it is predicted.
        average_precision: Area below precision over recall; None where only one label is
            predicted for each clip, NaN where no clip has it.
    """

    label: str
    precision: float
    recall: float
    f1: float
    num_references: int
    num_predictions: int
    average_precision: float | None = None


@dataclass(frozen=True, slots=True)
class SingleLabelScores:
    """Scores of a model that predicts one label for each clip.

    Attributes:
        accuracy: Part of the clips whose label is right.
        macro_f1: Mean F1 over the labels.
        labels: Each label's own scores.
        confusion: Clips with the label of the row, predicted as the label of the column; (C, C).
        resampled: What the intervals are over.
    """

    accuracy: Measure
    macro_f1: Measure
    labels: tuple[LabelScores, ...]
    confusion: NDArray[np.int64]
    resampled: Resampled


@dataclass(frozen=True, slots=True)
class MultiLabelScores:
    """Scores of a model that predicts any number of labels for each clip.

    Attributes:
        mean_average_precision: Mean over the labels that some clip has.
        macro_f1: Mean F1 over the labels, predicted from a probability of 0.5 on.
        micro_f1: F1 over all decisions together.
        labels: Each label's own scores.
        resampled: What the intervals are over.
    """

    mean_average_precision: Measure
    macro_f1: Measure
    micro_f1: Measure
    labels: tuple[LabelScores, ...]
    resampled: Resampled


@dataclass(frozen=True, slots=True)
class OutputScores:
    """Scores of one output of a regression.

    Attributes:
        label: Its name.
        mean_absolute_error: In the unit of the references.
        pearson: Correlation; NaN where either side is constant.
        concordance: Concordance correlation coefficient: 1 only where both sides are equal.
    """

    label: str
    mean_absolute_error: Measure
    pearson: Measure
    concordance: Measure


@dataclass(frozen=True, slots=True)
class RegressionScores:
    """Scores of a model that predicts numbers.

    Attributes:
        outputs: In the model's order.
        resampled: What the intervals are over.
    """

    outputs: tuple[OutputScores, ...]
    resampled: Resampled


def score_single_label(
    references: NDArray[np.int64],
    predictions: NDArray[np.int64],
    labels: Sequence[str],
    *,
    speakers: Sequence[Hashable | None] | None = None,
    seed: int = 0,
) -> SingleLabelScores:
    """Score one predicted label for each clip.

    Args:
        references: Numbers of the true labels, shape (U,), U at least 1.
        predictions: Numbers of the predicted labels, shape (U,).
        labels: Names of the labels.
        speakers: Of each clip; whole speakers are drawn where all are known and there are ten.
        seed: Of the bootstrap.
    """
    confusion = count_confusions(references, predictions, len(labels))

    def macro_f1(drawn: NDArray[np.int64]) -> float:
        drawn_confusion = count_confusions(references[drawn], predictions[drawn], len(labels))
        return _macro_f1(_margins(drawn_confusion))

    is_right = (references == predictions).astype(np.float64)
    measure = _Bootstrap(len(references), speakers, seed)
    return SingleLabelScores(
        accuracy=measure(lambda drawn: float(is_right[drawn].mean())),
        macro_f1=measure(macro_f1),
        labels=_label_scores(labels, _margins(confusion)),
        confusion=confusion,
        resampled=measure.resampled,
    )


def score_multi_label(
    references: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    labels: Sequence[str],
    *,
    speakers: Sequence[Hashable | None] | None = None,
    seed: int = 0,
) -> MultiLabelScores:
    """Score a probability of each label for each clip.

    Args:
        references: Whether a clip has a label, shape (U, C), U at least 1.
        probabilities: Shape (U, C).
        labels: Names of the labels.
        speakers: See `score_single_label`.
        seed: Of the bootstrap.
    """
    predictions = probabilities >= THRESHOLD

    def counts(drawn: NDArray[np.int64]) -> _Counts:
        true, predicted = references[drawn], predictions[drawn]
        return (true & predicted).sum(axis=0), true.sum(axis=0), predicted.sum(axis=0)

    def micro_f1(drawn: NDArray[np.int64]) -> float:
        return float(_f1(*(count.sum() for count in counts(drawn))))

    def mean_average_precision(drawn: NDArray[np.int64]) -> float:
        precisions = _average_precisions(references[drawn], probabilities[drawn])
        return float(np.nanmean(precisions)) if np.isfinite(precisions).any() else np.nan

    measure = _Bootstrap(len(references), speakers, seed)
    everything = np.arange(len(references))
    return MultiLabelScores(
        mean_average_precision=measure(mean_average_precision),
        macro_f1=measure(lambda drawn: _macro_f1(counts(drawn))),
        micro_f1=measure(micro_f1),
        labels=_label_scores(
            labels, counts(everything), _average_precisions(references, probabilities)
        ),
        resampled=measure.resampled,
    )


def score_regression(
    references: NDArray[np.float64],
    predictions: NDArray[np.float64],
    labels: Sequence[str],
    *,
    speakers: Sequence[Hashable | None] | None = None,
    seed: int = 0,
) -> RegressionScores:
    """Score predicted numbers.

    Args:
        references: True numbers, shape (U, C), U at least 1.
        predictions: Predicted numbers, shape (U, C).
        labels: Names of the outputs.
        speakers: See `score_single_label`.
        seed: Of the bootstrap.
    """
    measure = _Bootstrap(len(references), speakers, seed)

    def measure_pair(
        metric: Callable[[NDArray[np.float64], NDArray[np.float64]], float], column: int
    ) -> Measure:
        true, predicted = references[:, column], predictions[:, column]
        return measure(lambda drawn: metric(true[drawn], predicted[drawn]))

    return RegressionScores(
        outputs=tuple(
            OutputScores(
                label,
                mean_absolute_error=measure_pair(lambda a, b: float(np.abs(a - b).mean()), column),
                pearson=measure_pair(_pearson, column),
                concordance=measure_pair(_concordance, column),
            )
            for column, label in enumerate(labels)
        ),
        resampled=measure.resampled,
    )


def count_confusions(
    references: NDArray[np.int64], predictions: NDArray[np.int64], num_labels: int
) -> NDArray[np.int64]:
    """Count the clips of each pair of true label (row) and predicted label (column).

    Args:
        references: Shape (U,).
        predictions: Shape (U,).
        num_labels: C.

    Returns:
        Shape (C, C).
    """
    pairs = np.bincount(references * num_labels + predictions, minlength=num_labels**2)
    return pairs.reshape(num_labels, num_labels)


class _Bootstrap:
    """Measures a metric on all clips and on draws of them, the same ones for each metric."""

    def __init__(
        self, num_clips: int, speakers: Sequence[Hashable | None] | None, seed: int
    ) -> None:
        self.resampled = choose_resampled(speakers)
        self._everything = np.arange(num_clips)
        self._seed = seed
        self._units = [np.array([i]) for i in range(num_clips)]
        if speakers is not None and self.resampled == "speaker":
            members: dict[Hashable, list[int]] = {}
            for i, speaker in enumerate(speakers):
                members.setdefault(speaker, []).append(i)
            self._units = [np.array(clips) for clips in members.values()]

    def __call__(self, metric: Callable[[NDArray[np.int64]], float]) -> Measure:
        """Measure a metric, which gets the positions of clips."""
        value = metric(self._everything)
        if len(self._units) < 2:  # noqa: PLR2004  one unit can only be drawn as it is
            return Measure(value, None)
        rng = np.random.default_rng(self._seed)
        values = np.array([metric(self._draw(rng)) for _ in range(NUM_SAMPLES)], dtype=np.float64)
        # Of a rare label a draw may hold no clip.
        values = values[np.isfinite(values)]
        return Measure(value, percentile_interval(values) if values.size else None)

    def _draw(self, rng: np.random.Generator) -> NDArray[np.int64]:
        drawn = rng.integers(len(self._units), size=len(self._units))
        if self.resampled == "utterance":
            return drawn
        return np.concatenate([self._units[unit] for unit in drawn])


def _margins(confusion: NDArray[np.int64]) -> _Counts:
    return confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)


def _ratio(above: NDArray[np.int64], below: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(above, np.maximum(below, 1), dtype=np.float64)


def _f1(
    right: NDArray[np.int64], true: NDArray[np.int64], predicted: NDArray[np.int64]
) -> NDArray[np.float64]:
    return _ratio(2 * right, true + predicted)


def _macro_f1(counts: _Counts) -> float:
    """Return NaN where no label occurs."""
    _, true, predicted = counts
    f1 = _f1(*counts)[true + predicted > 0]
    return float(f1.mean()) if f1.size else np.nan


def _label_scores(
    labels: Sequence[str],
    counts: _Counts,
    average_precisions: NDArray[np.float64] | None = None,
) -> tuple[LabelScores, ...]:
    right, true, predicted = counts
    precision, recall = _ratio(right, predicted), _ratio(right, true)
    f1 = _f1(right, true, predicted)
    return tuple(
        LabelScores(
            label,
            float(precision[i]),
            float(recall[i]),
            float(f1[i]),
            int(true[i]),
            int(predicted[i]),
            None if average_precisions is None else float(average_precisions[i]),
        )
        for i, label in enumerate(labels)
    )


def _average_precisions(
    references: NDArray[np.bool_], probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the average precision of each label, NaN where no clip has it; shape (C,)."""
    values = np.full(references.shape[1], np.nan)
    for column in np.flatnonzero(references.any(axis=0)):
        order = np.argsort(-probabilities[:, column], kind="stable")
        scores = probabilities[order, column]
        found = np.cumsum(references[order, column])
        # Where a group of equal scores ends: all of the group or none of it is found.
        ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
        recall = found[ends] / found[-1]
        precision = found[ends] / (ends + 1)
        values[column] = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    return values


def _pearson(references: NDArray[np.float64], predictions: NDArray[np.float64]) -> float:
    scale = references.std() * predictions.std()
    return _covariance(references, predictions) / scale if scale > 0 else np.nan


def _concordance(references: NDArray[np.float64], predictions: NDArray[np.float64]) -> float:
    distance = (references.mean() - predictions.mean()) ** 2
    scale = float(references.var() + predictions.var() + distance)
    return 2 * _covariance(references, predictions) / scale if scale > 0 else np.nan


def _covariance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(((a - a.mean()) * (b - b.mean())).mean())
