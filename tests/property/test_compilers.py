"""`torch.compile` and `torch.export` of the forward pass."""

from collections.abc import Callable

import pytest

PRELUDE = """
import torch
from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerForCTC

torch.set_num_threads(1)
torch.manual_seed(0)

def build(position_embeddings_type, feat_extract_norm="layer"):
    config = Wav2Vec2ConformerConfig(
        vocab_size=12, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=20, conv_dim=[8] * 7, conv_depthwise_kernel_size=5,
        num_conv_pos_embeddings=4, position_embeddings_type=position_embeddings_type,
        feat_extract_norm=feat_extract_norm,
    )
    return Wav2Vec2ConformerForCTC(config).eval()

def batch(rows, samples):
    mask = torch.ones(rows, samples, dtype=torch.long)
    mask[-1, samples // 2 :] = 0
    return torch.randn(rows, samples) * mask, mask
"""

EXPORT = """
for norm in ("group", "layer"):
    model = build({positions!r}, norm)
    rows, samples = torch.export.Dim("rows", max=64), torch.export.Dim("samples", min=800)
    shapes = {{name: {{0: rows, 1: samples}} for name in ("input_values", "attention_mask")}}
    exported = torch.export.export(model, batch(2, 8000), dynamic_shapes=shapes, strict=False)
    for size in ((3, 12345), (1, 1000), (5, 40000)):
        inputs = batch(*size)
        with torch.no_grad():
            torch.testing.assert_close(exported.module()(*inputs).logits, model(*inputs).logits)
print("equal")
"""

COMPILE = """
model = build({positions!r})
compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
graphs = torch._dynamo.utils.counters["stats"]
with torch.no_grad():
    for samples in (8000, 9000, 10000, 11000, 8000):
        inputs = batch(2, samples)
        torch.testing.assert_close(compiled(*inputs).logits, model(*inputs).logits)
print(graphs["unique_graphs"])
"""


@pytest.mark.parametrize("positions", ["relative", "rotary", None])
def test_export_with_dynamic_batch_and_time(
    run_python: Callable[[str], str], positions: str | None
) -> None:
    assert run_python(PRELUDE + EXPORT.format(positions=positions)) == "equal\n"


@pytest.mark.parametrize("positions", ["relative", "rotary", None])
def test_compiled_evaluation_is_one_graph_for_all_lengths(
    run_python: Callable[[str], str], positions: str | None
) -> None:
    """One for the first length, one with the length as a symbol."""
    assert int(run_python(PRELUDE + COMPILE.format(positions=positions))) <= 2
