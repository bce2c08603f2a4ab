"""How far chance may have moved an error rate: bootstrap confidence intervals.

Papers: Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance
evaluation", ICASSP; Liu and Peng 2020, "Statistical testing on ASR performance via blockwise
bootstrap", https://arxiv.org/abs/1912.09508, for drawing whole speakers.

Shapes used in this file:
    U  units that are drawn: utterances, or speakers
    C  columns: errors and reference words of one or more systems
    S  bootstrap samples
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
NUM_SAMPLES = 1000
# Draws from fewer speakers say little about other speakers.
MIN_SPEAKERS = 10
_BLOCK_SIZE = 2_000_000

Resampled = Literal["utterance", "speaker"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval.

    Attributes:
        low: The lower end.
        high: The upper end.
    """

    low: float
    high: float


def choose_resampled(speakers: Sequence[Hashable | None] | None) -> Resampled:
    """Return what can be drawn: speakers where all are known and there are at least ten.

    The errors of a speaker go together, so that intervals over utterances are too narrow.
    """
    if speakers is None or any(speaker is None for speaker in speakers):
        return "utterance"
    return "speaker" if len(set(speakers)) >= MIN_SPEAKERS else "utterance"


def sum_by_unit(
    columns: NDArray[np.int64], speakers: Sequence[Hashable | None] | None
) -> NDArray[np.int64]:
    """Add up rows (utterances) into the rows of the units that are drawn.

    Args:
        columns: One row for each utterance.
        speakers: Of each utterance, or None.

    Returns:
        The rows themselves, or one for each speaker (`choose_resampled`); shape (U, C).
    """
    if speakers is None or choose_resampled(speakers) == "utterance":
        return columns
    positions = {speaker: i for i, speaker in enumerate(dict.fromkeys(speakers))}
    sums = np.zeros((len(positions), columns.shape[1]), dtype=np.int64)
    np.add.at(sums, [positions[speaker] for speaker in speakers], columns)
    return sums


def draw_sums(
    units: NDArray[np.int64], *, num_samples: int = NUM_SAMPLES, seed: int = 0
) -> NDArray[np.int64]:
    """Draw as many units as there are, with replacement, and add them up, many times.

    Args:
        units: Shape (U, C), U at least 1.
        num_samples: S.
        seed: Of the draws; equal seeds draw equally.

    Returns:
        Shape (S, C).
    """
    rng = np.random.default_rng(seed)
    num_units = len(units)
    sums = np.empty((num_samples, units.shape[1]), dtype=np.int64)
    block = max(1, _BLOCK_SIZE // num_units)
    for first in range(0, num_samples, block):
        size = (min(block, num_samples - first), num_units)
        drawn = rng.integers(num_units, size=size)
        for column in range(units.shape[1]):
            sums[first : first + block, column] = units[:, column].take(drawn).sum(axis=1)
    return sums


def percentile_interval(values: NDArray[np.float64]) -> Interval:
    """Return the interval that leaves out 2.5 % of the values at each end."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high))


def bootstrap_rate(units: NDArray[np.int64], *, seed: int = 0) -> Interval | None:
    """Return the interval of an error rate.

    Args:
        units: Errors and reference words of each unit; shape (U, 2).
        seed: Of the draws.

    Returns:
        None where there are fewer than two units.
    """
    if len(units) < 2:  # noqa: PLR2004  one unit can only be drawn as it is
        return None
    sums = draw_sums(units, seed=seed)
    return percentile_interval(sums[:, 0] / np.maximum(sums[:, 1], 1))
