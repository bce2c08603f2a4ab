"""Int8 blocks: what is in a batch with an utterance does not change one bit of its result."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wav2vec2_conformer.nn.int8_linear import Int8Linear, has_int8_products
from wav2vec2_conformer.nn.layer import ConformerLayer
from wav2vec2_conformer.nn.positions import RotaryPositions, relative_position_table

pytestmark = [
    pytest.mark.may_skip,
    pytest.mark.skipif(not has_int8_products(), reason="this processor has no int8 products"),
]

DIM = 64
ROTARY = RotaryPositions(DIM // 4)


def build(positions: str) -> ConformerLayer:
    torch.manual_seed(0)
    block = ConformerLayer(DIM, 128, 4, kernel_size=5, positions=positions, activation=F.silu)
    block.eval().requires_grad_(requires_grad=False)
    for module in list(block.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear) or name.startswith("pointwise_conv"):
                weight = child.weight.flatten(1)
                setattr(module, name, Int8Linear.from_float(weight, child.bias).eval())
    return block


BLOCKS = {positions: build(positions) for positions in ("relative", "rotary")}


def run(positions: str, x: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    table, rotation = None, None
    if positions == "relative":
        table = relative_position_table(max(lengths), DIM, x.device)
    else:
        cos, sin = ROTARY(max(lengths))
        rotation = tuple(torch.cat([part[:n] for n in lengths]) for part in (cos, sin))
    with torch.inference_mode():
        out, _ = BLOCKS[positions](x.clone(), table, rotation, packed_lengths=lengths)
    return out


@pytest.mark.parametrize("positions", BLOCKS)
@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(2, 90), min_size=2, max_size=5))
def test_an_utterance_gets_the_same_bits_in_any_batch(positions: str, lengths: list[int]) -> None:
    x = torch.randn(1, sum(lengths), DIM, generator=torch.Generator().manual_seed(sum(lengths)))
    together = run(positions, x, lengths)
    start = 0
    for length in lengths:
        rows = slice(start, start + length)
        assert torch.equal(run(positions, x[:, rows], [length]), together[:, rows])
        start += length
