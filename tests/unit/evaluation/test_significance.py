"""The test finds real differences, and none too often where there is none."""

import numpy as np
import pytest

from wav2vec2_conformer.evaluation.significance import paired_p_value


def test_equal_systems_give_1():
    assert paired_p_value(np.zeros(50, dtype=np.int64)) == 1.0
    assert paired_p_value(np.array([3, -3, 0])) == 1.0


def test_few_units_are_tested_by_all_swaps():
    # 2 of the 2^6 ways to give the signs are as extreme as all positive.
    assert paired_p_value(np.array([1, 2, 1, 1, 3, 1])) == 2 / 64
    # |3 - 1| is reached by every way but none: 3 + 1, 3 - 1, -3 + 1, -3 - 1
    assert paired_p_value(np.array([3, -1])) == 1.0


def test_random_swaps_agree_with_all_swaps():
    differences = np.array([2, -1, 1, 3, 1, -2, 1, 2, 1, 0, 1])
    exact = paired_p_value(differences)
    drawn = paired_p_value(differences, num_permutations=1000, seed=1)
    assert 0.01 < exact < 0.2
    assert drawn != exact
    assert drawn == pytest.approx(exact, abs=0.03)


def test_the_smallest_p_value_is_one_of_all_swaps():
    assert paired_p_value(np.ones(100, dtype=np.int64), num_permutations=99) == 1 / 100


def test_equal_seeds_give_equal_p_values():
    differences = np.random.default_rng(0).integers(-2, 3, size=100)
    assert paired_p_value(differences, seed=1) == paired_p_value(differences, seed=1)
    assert paired_p_value(differences, seed=1) != paired_p_value(differences, seed=2)


def test_false_alarms_are_as_rare_as_the_level_says():
    rng = np.random.default_rng(0)
    p_values = [
        paired_p_value(rng.binomial(10, 0.2, 60) - rng.binomial(10, 0.2, 60), num_permutations=199)
        for _ in range(300)
    ]
    assert 0.02 <= np.mean(np.array(p_values) < 0.05) <= 0.09


def test_a_real_difference_is_found():
    rng = np.random.default_rng(0)
    first, second = rng.binomial(10, 0.30, 200), rng.binomial(10, 0.22, 200)
    assert paired_p_value(second - first) < 0.01
