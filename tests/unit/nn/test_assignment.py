"""The cheapest assignment, against enumeration and scipy."""

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn.assignment import MAX_OUTPUTS, find_assignment


@pytest.mark.parametrize("num_outputs", [1, 2, 3, 4])
def test_no_other_assignment_is_cheaper(num_outputs: int) -> None:
    costs = torch.randn(5, num_outputs, num_outputs)
    found = find_assignment(costs)
    for matrix, order in zip(costs, found, strict=True):
        assert sorted(order.tolist()) == list(range(num_outputs))
        least = min(
            sum(matrix[i, j].item() for i, j in enumerate(other))
            for other in permutations(range(num_outputs))
        )
        assert sum(matrix[i, j].item() for i, j in enumerate(order)) == pytest.approx(least)


@pytest.mark.parametrize("num_outputs", [5, 8, 11])
def test_many_outputs_are_assigned_as_by_the_hungarian_method(num_outputs: int) -> None:
    costs = torch.randn(2, num_outputs, num_outputs)
    for matrix, order in zip(costs.numpy(), find_assignment(costs).numpy(), strict=True):
        rows, columns = linear_sum_assignment(matrix)
        least = matrix[rows, columns].sum()
        assert matrix[np.arange(num_outputs), order].sum() == pytest.approx(least, abs=1e-5)


def test_too_many_outputs_and_costs_that_are_no_numbers_are_refused() -> None:
    many = MAX_OUTPUTS + 1
    with pytest.raises(InputError, match="at most 12 outputs"):
        find_assignment(torch.zeros(1, many, many))
    with pytest.raises(InputError, match="not finite"):
        find_assignment(torch.tensor([[[float("nan")]]]))
