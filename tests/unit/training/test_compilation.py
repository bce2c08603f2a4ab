"""Compiled blocks compute what plain ones do, for every length, and in training only."""

import json

PROGRAM = """
import copy, json, torch
from torch._dynamo.utils import counters
from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerForCTC
from wav2vec2_conformer.training.compilation import compile_blocks

torch.manual_seed(0)
no_dropout = {f"{name}_dropout": 0.0 for name in (
    "hidden", "activation", "attention", "conformer_conv", "final", "feat_proj"
)}
plain = Wav2Vec2ConformerForCTC(Wav2Vec2ConformerConfig(
    vocab_size=12, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=20, conv_dim=(8,) * 7, conv_depthwise_kernel_size=5,
    num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, layerdrop=0.0,
    apply_spec_augment=False, **no_dropout,
))
compiled = copy.deepcopy(plain)
compile_blocks(compiled, backend="aot_eager")
found = []
for num_samples in (8_000, 11_000, 20_000):
    waveforms = torch.randn(2, num_samples)
    mask = (torch.arange(num_samples) < torch.tensor([[num_samples], [num_samples // 2]])).long()
    labels = torch.randint(3, 12, (2, 3))
    losses = [m.train()(waveforms, mask, labels=labels).loss for m in (plain, compiled)]
    for loss in losses:
        loss.backward()
    pairs = zip(plain.parameters(), compiled.parameters())
    gradients = [(p.grad, q.grad) for p, q in pairs if p.grad is not None]
    largest = max(float(p.abs().max()) for p, _ in gradients)
    found.append({
        "losses": [loss.item() for loss in losses],
        "difference": max(float((p - q).abs().max()) for p, q in gradients) / largest,
        "num_compiled": counters["stats"]["unique_graphs"],
    })
    plain.zero_grad(), compiled.zero_grad()
with torch.no_grad():
    logits = [m.eval()(waveforms, mask).logits for m in (plain, compiled)]
torch.testing.assert_close(*logits)
assert counters["stats"]["unique_graphs"] == found[-1]["num_compiled"]
assert plain.state_dict().keys() == compiled.state_dict().keys()
print(json.dumps(found))
"""


def test_compiled_blocks_equal_plain_ones(run_python):
    found = json.loads(run_python(PROGRAM))
    for batch in found:
        loss, compiled_loss = batch["losses"]
        assert abs(loss - compiled_loss) < 1e-4 * loss
        assert batch["difference"] < 1e-5
    # Once for all blocks and lengths.
    assert found[0]["num_compiled"] >= 1
    assert {batch["num_compiled"] for batch in found} == {found[0]["num_compiled"]}
