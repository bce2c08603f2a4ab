"""Where memory may be written over, and where not."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wav2vec2_conformer.nn import in_place
from wav2vec2_conformer.nn.in_place import add_onto, apply_after, apply_onto, may_write_over


def test_only_where_nothing_records():
    assert not may_write_over()
    with torch.no_grad():
        assert may_write_over()
    with torch.inference_mode():
        assert may_write_over()


def test_nothing_is_written_over_in_a_trace():
    """Its pieces would be counted once and for all."""
    answers = []

    def trace(x: torch.Tensor) -> torch.Tensor:
        answers.append(may_write_over())
        return x + 1

    with torch.no_grad():
        torch.jit.trace(trace, torch.ones(1), check_trace=False)
    assert answers == [False]


@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_sum_takes_the_place_of_its_first_part_alone(alpha):
    x, y = torch.randn(3, 4), torch.randn(3, 4)
    first, second = x.clone(), y.clone()
    expected = first + alpha * second
    torch.testing.assert_close(add_onto(x, y, alpha=alpha), expected)
    assert torch.equal(x, first)
    with torch.no_grad():
        found = add_onto(x, y, alpha=alpha)
    torch.testing.assert_close(found, expected)
    assert found.data_ptr() == x.data_ptr()
    assert torch.equal(y, second)


@pytest.mark.parametrize("pieces", [1, 4])
@pytest.mark.parametrize("function", [F.silu, F.gelu, torch.tanh])
def test_any_function_takes_the_place_of_its_argument(monkeypatch, function, pieces):
    x = torch.randn(2, 5, 6)
    monkeypatch.setattr(in_place, "PIECE_ELEMENTS", 60 // pieces + 1)
    expected = function(x)
    torch.testing.assert_close(apply_onto(function, x), expected)
    with torch.no_grad():
        found = apply_onto(function, x)
    torch.testing.assert_close(found, expected)
    assert found.data_ptr() == x.data_ptr()


def test_a_view_is_left_as_it_was():
    x = torch.randn(5, 6)
    before = x.clone()
    with torch.no_grad():
        found = apply_onto(F.silu, x.T)
    torch.testing.assert_close(found, F.silu(before.T))
    assert torch.equal(x, before)


@pytest.mark.parametrize("rows", [1, 4, 100])
@pytest.mark.parametrize("bias", [False, True])
def test_function_after_a_linear_map(monkeypatch, rows, bias):
    monkeypatch.setattr(in_place, "PIECE_ELEMENTS", 6 * rows)
    linear, x = nn.Linear(3, 6, bias=bias), torch.randn(2, 5, 3)
    expected, before = F.silu(linear(x)), x.clone()
    torch.testing.assert_close(apply_after(linear, F.silu, x), expected)
    with torch.no_grad():
        torch.testing.assert_close(apply_after(linear, F.silu, x), expected)
        for_views = apply_after(linear, F.silu, x.transpose(0, 1))
    torch.testing.assert_close(for_views, expected.transpose(0, 1))
    assert torch.equal(x, before)


def test_what_stands_around_a_linear_map_is_called():
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2.0 * super().forward(x)

    doubled, hooked, replaced = Doubled(3, 6), nn.Linear(3, 6), nn.Linear(3, 6)
    hooked.register_forward_hook(lambda *call: call[-1] + 1.0)
    replaced.forward = lambda x: x @ torch.ones(3, 6)
    x = torch.randn(5, 3)
    for linear in (doubled, hooked, replaced):
        expected = linear(x).tanh()
        with torch.no_grad():
            torch.testing.assert_close(apply_after(linear, torch.tanh, x), expected)
