"""Which layer of an encoder tells most about the labels of a data set.

Each layer's mean over a clip is read by a linear probe; clips of the speakers that a probe is
scored on are never among those that it was fitted to.

Shapes used in this file:
    U  clips
    N  layers
    D  width of a vector
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import ManifestError
from wav2vec2_conformer.evaluation.bootstrap import (
    CONFIDENCE,
    Interval,
    Resampled,
    choose_resampled,
    draw_sums,
    percentile_interval,
    sum_by_unit,
)
from wav2vec2_conformer.evaluation.linear_probe import fit_linear_probe

Grouping = Literal["speaker", "clip", "given"]
WEIGHTED, CEPSTRA, MAJORITY = "weighted", "MFCC", "majority"
_MIN_FOLDS = 2


@dataclass(frozen=True, slots=True, eq=False)
class ProbedClips:
    """What is known of labelled clips.

    Attributes:
        vectors: Mean of each layer's frames, shape (U, N, D).
        cepstra: Mean and deviation of cepstral coefficients, shape (U, 40).
        labels: Of each clip.
        speakers: Of each clip; None where the data set does not say.
    """

    vectors: NDArray[np.float32]
    cepstra: NDArray[np.float64]
    labels: Sequence[str]
    speakers: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class SystemScore:
    """How well a probe reads one layer, or what stands beside the layers.

    Attributes:
        name: Number of the layer, `weighted`, `MFCC` or `majority`.
        accuracy: Part of the clips whose label is right.
        interval: Of the accuracy; None where there is but one unit to draw.
        is_near_best: Whether a 95 % interval of its difference from the best system reaches
            zero; the best one itself is near.
    """

    name: str
    accuracy: float
    interval: Interval | None
    is_near_best: bool


@dataclass(frozen=True, slots=True)
class LayerProbeReport:
    """All layers side by side.

    Attributes:
        systems: The layers in order, the weighted sum, and what they have to beat.
        best: Name of the best layer; the lowest of equal ones.
        layer_weights: Part of each layer in the learned sum, mean over folds.
        num_clips: Clips that were scored.
        num_labels: Different labels.
        num_folds: How often a probe was fitted for each system.
        grouping: What was held out: whole speakers, clips, or a given data set.
        resampled: What intervals are over.
    """

    systems: tuple[SystemScore, ...]
    best: str
    layer_weights: tuple[float, ...]
    num_clips: int
    num_labels: int
    num_folds: int
    grouping: Grouping
    resampled: Resampled


def probe_layers(
    train: ProbedClips,
    valid: ProbedClips | None = None,
    *,
    num_folds: int = 5,
    l2: float = 1e-3,
    seed: int = 0,
) -> LayerProbeReport:
    """Fit and score a probe for each layer.

    Args:
        train: Clips to fit to.
        valid: Clips to score; None scores those of `train` in turn, each by a probe that was
            fitted without its speaker, or, where a label has one speaker alone, without it.
        num_folds: Parts of `train` that are held out one after another; at most one for each
            speaker or clip.
        l2: See `fit_linear_probe`.
        seed: Of the order of clips and of the bootstrap.

    Raises:
        ManifestError: When there are fewer than two labels, clips or folds to be had, or
            `valid` has a label that `train` has not.
        InputError: When `l2` is not positive.
    """
    names = sorted(set(train.labels))
    if len(names) < _MIN_FOLDS:
        raise ManifestError(f"probing needs at least two labels, got {len(names)}.")
    numbers = {name: number for number, name in enumerate(names)}
    grouping: Grouping
    if valid is None:
        grouping, fold_of = assign_folds(train.labels, train.speakers, num_folds, seed=seed)
        scored = train
        splits = [(fold_of != fold, fold_of == fold) for fold in range(int(fold_of.max()) + 1)]
    else:
        unknown = sorted(set(valid.labels) - set(names))
        if unknown:
            raise ManifestError(f"the labels {', '.join(unknown)} occur in no training clip.")
        grouping, scored = "given", valid
        splits = [(np.ones(len(train.labels), bool), np.ones(len(valid.labels), bool))]
    fitted_targets = np.array([numbers[label] for label in train.labels])
    targets = np.array([numbers[label] for label in scored.labels])
    num_layers = train.vectors.shape[1]
    systems = [*map(str, range(num_layers)), WEIGHTED, CEPSTRA, MAJORITY]
    is_right = np.zeros((len(targets), len(systems)), dtype=np.int64)
    parts = []
    for is_fitted, is_scored in splits:
        wanted = fitted_targets[is_fitted]
        inputs: list[tuple[NDArray[Any], NDArray[Any]]] = [
            (train.vectors[is_fitted, i : i + 1], scored.vectors[is_scored, i : i + 1])
            for i in range(num_layers)
        ]
        inputs.append((train.vectors[is_fitted], scored.vectors[is_scored]))
        inputs.append((train.cepstra[is_fitted, None], scored.cepstra[is_scored, None]))
        for column, (fitted, held_out) in enumerate(inputs):
            probe = fit_linear_probe(fitted, wanted, len(names), l2=l2)
            is_right[is_scored, column] = probe.predict(held_out) == targets[is_scored]
            if systems[column] == WEIGHTED:
                parts.append(probe.layer_weights)
        is_right[is_scored, -1] = np.bincount(wanted).argmax() == targets[is_scored]
    best = int(is_right[:, :num_layers].sum(axis=0).argmax())
    return LayerProbeReport(
        systems=_score(systems, is_right, scored.speakers, seed=seed),
        best=systems[best],
        layer_weights=tuple(map(float, np.mean(parts, axis=0))),
        num_clips=len(targets),
        num_labels=len(names),
        num_folds=len(splits),
        grouping=grouping,
        resampled=choose_resampled(scored.speakers),
    )


def assign_folds(
    labels: Sequence[str], speakers: Sequence[str | None], num_folds: int, *, seed: int = 0
) -> tuple[Grouping, NDArray[np.int64]]:
    """Deal clips out to folds, all clips of a speaker to one where that can be.

    Whole speakers are held out where all are known and every label has at least two of them:
    the others could not learn a label that is held out with its only speaker.

    Args:
        labels: Of each clip.
        speakers: Of each clip.
        num_folds: Largest number of folds.
        seed: Of the order of clips; speakers are dealt out by their number of clips.

    Returns:
        What was kept together, and each clip's fold, shape (U,).

    Raises:
        ManifestError: When there are not two folds to be had.
    """
    speakers_of: dict[str, set[str | None]] = {}
    for label, speaker in zip(labels, speakers, strict=True):
        speakers_of.setdefault(label, set()).add(speaker)
    by_speaker = all(None not in found and len(found) > 1 for found in speakers_of.values())
    if min(num_folds, len(labels)) < _MIN_FOLDS:
        raise ManifestError(
            f"probing holds clips out in turn: {len(labels)} clips and {num_folds} folds are not "
            "enough. Give at least 2 of each, or a validation set."
        )
    fold_of = np.zeros(len(labels), dtype=np.int64)
    if by_speaker:
        clips_of: dict[str | None, list[int]] = {}
        for clip, speaker in enumerate(speakers):
            clips_of.setdefault(speaker, []).append(clip)
        sizes = [0] * min(num_folds, len(clips_of))
        for clips in sorted(clips_of.values(), key=len, reverse=True):
            fold = sizes.index(min(sizes))
            fold_of[clips] = fold
            sizes[fold] += len(clips)
        return "speaker", fold_of
    # By label, so that each fold has its share of every label.
    order = np.random.default_rng(seed).permutation(len(labels))
    ordered = sorted(order.tolist(), key=lambda clip: labels[clip])
    fold_of[ordered] = np.arange(len(labels)) % min(num_folds, len(labels))
    return "clip", fold_of


def _score(
    names: Sequence[str],
    is_right: NDArray[np.int64],
    speakers: Sequence[str | None],
    *,
    seed: int,
) -> tuple[SystemScore, ...]:
    """Return accuracies; the same draws for all systems, so that they can be compared."""
    columns = np.column_stack((is_right, np.ones(len(is_right), dtype=np.int64)))
    units = sum_by_unit(columns, speakers)
    accuracies = is_right.mean(axis=0)
    drawn = None
    if len(units) > 1:
        sums = draw_sums(units, seed=seed)
        drawn = sums[:, :-1] / sums[:, -1:]
    best = int(accuracies.argmax())
    systems = []
    for column, name in enumerate(names):
        interval = None if drawn is None else percentile_interval(drawn[:, column])
        is_near = column == best or drawn is None
        if drawn is not None and not is_near:
            behind = drawn[:, best] - drawn[:, column]
            is_near = bool(np.quantile(behind, (1 - CONFIDENCE) / 2) <= 0)
        systems.append(SystemScore(name, float(accuracies[column]), interval, is_near))
    return tuple(systems)
