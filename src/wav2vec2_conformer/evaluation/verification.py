"""How well scores tell pairs of the same speaker from pairs of two.

A pair is accepted when its score is at or above a threshold. Misses are pairs of one speaker
that are not accepted, false alarms pairs of two speakers that are. Source of the detection cost:
NIST speaker recognition evaluation plans, https://www.nist.gov/itl/iad/mig/speaker-recognition.

Shapes used in this file:
    N  trials
    K  operating points
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wav2vec2_conformer.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCurve:
    """Error rates at every threshold that makes a difference, the lowest first.

    Attributes:
        thresholds: Shape (K,): each score once, and infinity, at which nothing is accepted.
        miss_rates: Shape (K,), from 0 up to 1.
        false_alarm_rates: Shape (K,), from 1 down to 0.
    """

    thresholds: NDArray[np.float64]
    miss_rates: NDArray[np.float64]
    false_alarm_rates: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class VerificationErrors:
    """The error rates of scored trials.

    Attributes:
        num_targets: Pairs of one speaker.
        num_nontargets: Pairs of two speakers.
        eer: Equal error rate: where misses are as frequent as false alarms, on the line between
            the two operating points beside it.
        eer_threshold: Operating point at which the two rates differ least.
        min_dcf: Least detection cost of any threshold; 1 is that of always giving the cheaper
            of the two answers.
        p_target: Probability of a pair of one speaker in use, which `min_dcf` supposes.
        c_miss: Cost of a miss.
        c_fa: Cost of a false alarm.
        threshold: The threshold that decided.
        miss_rate: Misses at that threshold.
        false_alarm_rate: False alarms at that threshold.
    """

    num_targets: int
    num_nontargets: int
    eer: float
    eer_threshold: float
    min_dcf: float
    p_target: float
    c_miss: float
    c_fa: float
    threshold: float
    miss_rate: float
    false_alarm_rate: float


def score_trials(
    scores: ArrayLike,
    is_target: Sequence[bool],
    *,
    threshold: float,
    p_target: float = 0.01,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
) -> VerificationErrors:
    """Score the trials of a list.

    Args:
        scores: Shape (N,), higher for the same speaker.
        is_target: Whether a pair is of one speaker, N of them.
        threshold: At which the system decides.
        p_target: See `compute_min_dcf`.
        c_miss: See `compute_min_dcf`.
        c_fa: See `compute_min_dcf`.

    Raises:
        InputError: As `compute_error_curve` and `compute_min_dcf`.
    """
    curve = compute_error_curve(scores, is_target)
    eer, eer_threshold = compute_eer(curve)
    # Between two scores nothing changes: the next one above decides alike.
    point = int(np.searchsorted(curve.thresholds, threshold))
    num_targets = sum(map(bool, is_target))
    return VerificationErrors(
        num_targets=num_targets,
        num_nontargets=len(is_target) - num_targets,
        eer=eer,
        eer_threshold=eer_threshold,
        min_dcf=compute_min_dcf(curve, p_target=p_target, c_miss=c_miss, c_fa=c_fa),
        p_target=p_target,
        c_miss=c_miss,
        c_fa=c_fa,
        threshold=threshold,
        miss_rate=float(curve.miss_rates[point]),
        false_alarm_rate=float(curve.false_alarm_rates[point]),
    )


def compute_error_curve(scores: ArrayLike, is_target: Sequence[bool]) -> ErrorCurve:
    """Return the error rates at every threshold. Equal scores are accepted together.

    Args:
        scores: Shape (N,), higher for the same speaker.
        is_target: Whether a pair is of one speaker, N of them.

    Raises:
        InputError: The numbers differ, a score is not finite, or one kind of pair is missing.
    """
    values = np.asarray(scores, dtype=np.float64)
    targets = np.asarray(is_target, dtype=bool)
    if values.ndim != 1 or values.shape != targets.shape:
        raise InputError(
            f"there must be one score for each trial, got scores of shape {values.shape} and "
            f"{targets.size} trials."
        )
    if not np.isfinite(values).all():
        raise InputError("a score is not finite. Check the embeddings.")
    if targets.all() or not targets.any():
        raise InputError(
            "error rates need pairs of one speaker and pairs of two, but all "
            f"{targets.size} trials are of the same kind."
        )
    thresholds, kinds = np.unique(values, return_inverse=True)
    target_counts = np.bincount(kinds[targets], minlength=thresholds.size)
    nontarget_counts = np.bincount(kinds[~targets], minlength=thresholds.size)
    rejected_targets = np.concatenate(([0], np.cumsum(target_counts)))
    rejected_nontargets = np.concatenate(([0], np.cumsum(nontarget_counts)))
    return ErrorCurve(
        thresholds=np.append(thresholds, np.inf),
        miss_rates=rejected_targets / rejected_targets[-1],
        false_alarm_rates=1.0 - rejected_nontargets / rejected_nontargets[-1],
    )


def compute_eer(curve: ErrorCurve) -> tuple[float, float]:
    """Return the equal error rate, from 0 to 1, and the operating point nearest to it.

    Returns:
        The rate at which the straight line between two operating points has as many misses as
        false alarms; and the finite threshold at which the two differ least.
    """
    gaps = curve.miss_rates - curve.false_alarm_rates  # from -1 up to 1
    after = int(np.argmax(gaps >= 0.0))
    before = after - 1  # exists: the first gap is -1
    share = -gaps[before] / (gaps[after] - gaps[before])
    eer = curve.miss_rates[before] + share * (curve.miss_rates[after] - curve.miss_rates[before])
    nearest = int(np.argmin(np.abs(gaps[:-1])))
    return float(eer), float(curve.thresholds[nearest])


def compute_min_dcf(
    curve: ErrorCurve, *, p_target: float = 0.01, c_miss: float = 1.0, c_fa: float = 1.0
) -> float:
    """Return the least normalized detection cost of any threshold, from 0 to 1.

    The cost is `c_miss * P_miss * p_target + c_fa * P_fa * (1 - p_target)`, divided by that of
    the cheaper of accepting all and accepting none.

    Args:
        curve: Error rates.
        p_target: Probability of a pair of one speaker in use.
        c_miss: Cost of a miss.
        c_fa: Cost of a false alarm.

    Raises:
        InputError: The probability is not between 0 and 1, or a cost is not positive.
    """
    if not 0.0 < p_target < 1.0:
        raise InputError(f"p_target must lie between 0 and 1, but is {p_target:g}.")
    if not (c_miss > 0.0 and c_fa > 0.0):
        raise InputError(f"costs must be positive, but c_miss is {c_miss:g} and c_fa is {c_fa:g}.")
    miss_cost, false_alarm_cost = c_miss * p_target, c_fa * (1.0 - p_target)
    costs = miss_cost * curve.miss_rates + false_alarm_cost * curve.false_alarm_rates
    return float(costs.min() / min(miss_cost, false_alarm_cost))
