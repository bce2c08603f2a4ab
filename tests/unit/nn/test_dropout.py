"""Lean dropout: the rate, the mean, the gradient, and what is kept for it."""

import pytest
import torch
from torch import nn

from wav2vec2_conformer.nn.dropout import Dropout, drop


@pytest.mark.parametrize("probability", [0.01, 0.1, 0.5, 0.9])
def test_drops_at_the_rate_and_keeps_the_mean(probability):
    out = drop(torch.ones(1_000_001), probability)
    assert float((out == 0.0).float().mean()) == pytest.approx(probability, abs=0.003)
    kept = out[out != 0.0]
    assert kept.unique().tolist() == pytest.approx([1.0 / (1.0 - probability)], rel=2e-4)
    assert float(out.mean()) == pytest.approx(1.0, rel=0.02)


def test_neighbours_are_independent():
    """One draw of 64 bits decides on four elements."""
    dropped = (drop(torch.ones(400_000), 0.3) == 0.0).float().view(-1, 4)
    torch.testing.assert_close(dropped.mean(0), torch.full((4,), 0.3), atol=0.01, rtol=0.0)
    assert float(torch.corrcoef(dropped.t()).fill_diagonal_(0.0).abs().max()) < 0.02


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (0, 4), (2, 3, 7)])
def test_gradient_goes_where_values_went(shape):
    x = torch.rand(shape).add(1.0).requires_grad_()
    out = drop(x, 0.4)
    out.sum().backward()
    torch.testing.assert_close(x.grad, (out / x).detach())


def test_keeps_a_byte_for_each_element():
    kept = []
    x = torch.rand(10, 10, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda tensor: tensor):
        drop(x, 0.1)
    assert [tensor.untyped_storage().nbytes() for tensor in kept] in ([100], [200])


def test_the_same_seed_drops_the_same():
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append(drop(torch.ones(1_000), 0.5))
    torch.testing.assert_close(*results, atol=0.0, rtol=0.0)
    assert not torch.equal(results[0], drop(torch.ones(1_000), 0.5))


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_all_or_nothing(probability, expected):
    out = Dropout(probability)(torch.ones(100))
    assert out.unique().tolist() == [expected]


def test_evaluation_changes_nothing():
    x = torch.ones(100)
    assert Dropout(0.5).eval()(x) is x


def test_compilers_see_torchs_own_dropout(monkeypatch):
    torch.manual_seed(0)
    expected = nn.Dropout(0.5)(torch.ones(100))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.manual_seed(0)
    torch.testing.assert_close(Dropout(0.5)(torch.ones(100)), expected)
