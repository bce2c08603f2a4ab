from itertools import pairwise

import numpy as np
import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation.verification import (
    compute_eer,
    compute_error_curve,
    compute_min_dcf,
    score_trials,
)


def rates(scores: list[float], targets: list[bool], threshold: float) -> tuple[float, float]:
    """Misses and false alarms, counted one by one."""
    pairs = list(zip(scores, targets, strict=True))
    missed = [score < threshold for score, is_target in pairs if is_target]
    accepted = [score >= threshold for score, is_target in pairs if not is_target]
    return sum(missed) / len(missed), sum(accepted) / len(accepted)


def make_trials(seed: int, *, num_values: int) -> tuple[list[float], list[bool]]:
    """Few different values: many scores are equal, of both kinds."""
    rng = np.random.default_rng(seed)
    targets = [True, False, *(rng.random(58) < 0.3).tolist()]
    levels = rng.normal(size=len(targets)) + 1.5 * np.array(targets)
    return (np.round(levels * num_values) / num_values).tolist(), targets


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_values", [1, 3, 1000])
def test_rates_are_those_of_a_count_at_every_threshold(seed: int, num_values: int) -> None:
    scores, targets = make_trials(seed, num_values=num_values)
    curve = compute_error_curve(scores, targets)
    assert curve.thresholds.tolist() == [*sorted(set(scores)), np.inf]
    for threshold, miss, false_alarm in zip(
        curve.thresholds, curve.miss_rates, curve.false_alarm_rates, strict=True
    ):
        assert rates(scores, targets, threshold) == pytest.approx((miss, false_alarm))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_values", [1, 3, 1000])
def test_eer_lies_where_the_line_through_the_points_has_equal_rates(
    seed: int, num_values: int
) -> None:
    scores, targets = make_trials(seed, num_values=num_values)
    points = [rates(scores, targets, t) for t in [*sorted(set(scores)), np.inf]]
    steps = np.linspace(0, 1, 20_001)
    nearest = min(
        (abs(miss - false_alarm), miss)
        for (m1, f1), (m2, f2) in pairwise(points)
        for miss, false_alarm in [
            min(
                zip(m1 + steps * (m2 - m1), f1 + steps * (f2 - f1), strict=True),
                key=lambda pair: abs(pair[0] - pair[1]),
            )
        ]
    )
    eer, threshold = compute_eer(compute_error_curve(scores, targets))
    assert eer == pytest.approx(nearest[1], abs=1e-4)
    gaps = {t: abs(np.subtract(*rates(scores, targets, t))) for t in scores}
    assert gaps[threshold] == pytest.approx(min(gaps.values()))


@pytest.mark.parametrize(("p_target", "c_miss", "c_fa"), [(0.01, 1, 1), (0.05, 1, 1), (0.4, 10, 2)])
@pytest.mark.parametrize("num_values", [1, 1000])
def test_min_dcf_is_the_least_cost_of_all_thresholds(
    p_target: float, c_miss: float, c_fa: float, num_values: int
) -> None:
    scores, targets = make_trials(0, num_values=num_values)
    costs = [
        c_miss * p_target * miss + c_fa * (1 - p_target) * false_alarm
        for miss, false_alarm in (rates(scores, targets, t) for t in [*scores, -99.0, 99.0])
    ]
    expected = min(costs) / min(c_miss * p_target, c_fa * (1 - p_target))
    curve = compute_error_curve(scores, targets)
    got = compute_min_dcf(curve, p_target=p_target, c_miss=c_miss, c_fa=c_fa)
    assert got == pytest.approx(expected)


@pytest.mark.parametrize(
    ("scores", "eer"),
    [([2.0, 3.0, 0.0, 1.0], 0.0), ([0.0, 1.0, 2.0, 3.0], 1.0), ([1.0, 1.0, 1.0, 1.0], 0.5)],
)
def test_known_equal_error_rates(scores: list[float], eer: float) -> None:
    curve = compute_error_curve(scores, [True, True, False, False])
    assert compute_eer(curve)[0] == pytest.approx(eer)


@pytest.mark.parametrize("threshold", [-9.0, 0.25, 0.5, 9.0])
def test_the_rates_of_a_decision_are_those_of_its_threshold(threshold: float) -> None:
    scores, targets = make_trials(1, num_values=2)
    errors = score_trials(scores, targets, threshold=threshold)
    expected = rates(scores, targets, threshold)
    assert (errors.miss_rate, errors.false_alarm_rate) == pytest.approx(expected)
    assert errors.num_targets == sum(targets)
    assert errors.num_targets + errors.num_nontargets == len(targets)


@pytest.mark.parametrize(
    ("scores", "targets", "message"),
    [
        ([1.0, 2.0], [True, True], "same kind"),
        ([1.0, 2.0], [False, False], "same kind"),
        ([1.0, np.nan], [True, False], "not finite"),
        ([1.0], [True, False], "one score for each trial"),
    ],
)
def test_what_has_no_error_rate_is_refused(
    scores: list[float], targets: list[bool], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        compute_error_curve(scores, targets)


@pytest.mark.parametrize(
    ("costs", "message"),
    [({"p_target": 0.0}, "p_target"), ({"p_target": 1.0}, "p_target"), ({"c_fa": 0.0}, "c_fa")],
)
def test_costs_out_of_range_are_refused(costs: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compute_min_dcf(compute_error_curve([1.0, 0.0], [True, False]), **costs)
