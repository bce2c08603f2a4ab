"""Attention with a gradient of its own: the values and gradients of the formula."""

from functools import partial

import pytest
import torch

from wav2vec2_conformer.nn import head_scores
from wav2vec2_conformer.nn.attention import SelfAttention
from wav2vec2_conformer.nn.head_scores import RelativePositions
from wav2vec2_conformer.nn.positions import relative_position_table
from wav2vec2_conformer.nn.trained_attention import attend_with_gradient

BATCH, HEADS, FRAMES, WIDTH = 2, 3, 5, 4


def inputs(*, positions: bool, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    shapes = [(BATCH, HEADS, FRAMES, WIDTH)] * 3
    if positions:
        shapes += [(HEADS, WIDTH, 2 * FRAMES - 1), (HEADS, WIDTH), (HEADS, WIDTH)]
    return [torch.randn(shape, dtype=dtype).requires_grad_() for shape in shapes]


def attend(*tensors: torch.Tensor, **settings: object) -> torch.Tensor:
    positions = RelativePositions(*tensors[3:]) if tensors[3:] else None
    return attend_with_gradient(*tensors[:3], positions, **settings)


def mask_of(kind: str) -> torch.Tensor | None:
    mask = torch.zeros(BATCH, FRAMES, dtype=torch.bool)
    if kind == "padded":
        mask[1, 3:] = True
    elif kind == "gaps":
        mask[0, 1], mask[1, [0, 4]] = True, True
    return None if kind == "none" else mask


@pytest.fixture(params=[2, 128])
def _query_rows(request, monkeypatch):
    monkeypatch.setattr(head_scores, "QUERY_ROWS", request.param)
    monkeypatch.setattr(head_scores, "SCORE_ELEMENTS", 100)


@pytest.mark.usefixtures("_query_rows")
@pytest.mark.parametrize("masked", ["none", "padded", "gaps"])
@pytest.mark.parametrize("positions", [False, True])
def test_gradients_of_first_and_second_order(positions, masked):
    given = inputs(positions=positions)
    function = partial(attend, padding_mask=mask_of(masked))
    torch.autograd.gradcheck(function, given, fast_mode=True)
    torch.autograd.gradgradcheck(function, given, fast_mode=True)


@pytest.mark.parametrize("positions", [False, True])
def test_gradients_with_dropout(positions):
    """The same seed drops the same weights."""
    given, mask = inputs(positions=positions), mask_of("padded")

    def attend_seeded(*leaves):
        torch.manual_seed(0)
        return attend(*leaves, padding_mask=mask, dropout=0.4)

    torch.autograd.gradcheck(attend_seeded, given, fast_mode=True)
    torch.autograd.gradgradcheck(attend_seeded, given, fast_mode=True)
    assert not torch.allclose(attend_seeded(*given), attend(*given, padding_mask=mask))


def test_dropout_keeps_the_mean():
    query, key = torch.zeros(1, 1, 100, 4), torch.zeros(1, 1, 100, 4)
    mixed = attend_with_gradient(query, key, torch.ones(1, 1, 100, 4), dropout=0.3)
    assert float(mixed.mean()) == pytest.approx(1.0, abs=0.03)
    assert float(mixed.std()) > 0.01


@pytest.mark.parametrize("masked", ["none", "padded", "gaps"])
@pytest.mark.parametrize("positions", ["relative", "relative_key", None])
def test_gradients_of_the_module_are_those_of_the_formula(randomize, positions, masked):
    attention = randomize(SelfAttention(12, 3, positions=positions)).train()
    table = relative_position_table(FRAMES, 12, torch.device("cpu"))
    table = table if positions == "relative" else None
    mask, found = mask_of(masked), []
    x = torch.randn(BATCH, FRAMES, 12)
    for return_weights in (False, True):  # with weights as a result, as written in the papers
        attention.zero_grad()
        leaf = x.clone().requires_grad_()
        out, _ = attention(leaf, table, None, mask, return_weights=return_weights)
        out.square().sum().backward()
        found.append([out, leaf.grad, *(p.grad for p in attention.parameters())])
    for tensor, expected in zip(*found, strict=True):
        torch.testing.assert_close(tensor, expected, atol=1e-5, rtol=1e-4)


def test_utterance_without_a_valid_frame_is_finite():
    given = inputs(positions=True, dtype=torch.float32)
    mask = torch.tensor([[False] * FRAMES, [True] * FRAMES])
    out = attend(*given, padding_mask=mask)
    out.sum().backward()
    assert out.isfinite().all()
    assert all(tensor.grad.isfinite().all() for tensor in given)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_keeps_a_byte_for_each_pair_and_only_with_dropout(dropout):
    frames, kept = 60, []
    given = [torch.randn(1, 2, frames, 4, requires_grad=True) for _ in range(3)]
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda tensor: tensor):
        attend_with_gradient(*given, dropout=dropout)
    own = [tensor for tensor in kept if tensor.shape[1] != 2 or tensor.dim() != 4]
    assert sum(tensor.nbytes for tensor in own) == (2 * frames * frames if dropout else 0)
