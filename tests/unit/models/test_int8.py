"""Models in int8: which parts, how close, how small, and what they refuse."""

import copy
import weakref
from typing import Any

import pytest
import torch

import wav2vec2_conformer as package
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.models import int8
from wav2vec2_conformer.models.int8 import convert_to_int8, find_int8_layers, is_int8
from wav2vec2_conformer.nn.int8_linear import Int8Linear, has_int8_products

pytestmark = [
    pytest.mark.may_skip,
    pytest.mark.skipif(not has_int8_products(), reason="this processor has no int8 products"),
]


def build(head: str = "ConformerForCTC", **changes: Any) -> Any:
    torch.manual_seed(0)
    values = {
        "vocab_size": 12,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 256,
        "conv_dim": [32] * 7,
        "conv_depthwise_kernel_size": 5,
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
        "classifier_proj_size": 8,
        **changes,
    }
    model_class = getattr(package, f"Wav2Vec2{head}")
    return model_class(model_class.config_class(**values)).eval()


def logits(model: Any) -> torch.Tensor:
    waveforms = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return model(waveforms).logits


@pytest.mark.parametrize("positions", ["relative", "rotary", None])
def test_outputs_stay_close(positions: str | None) -> None:
    model = build(position_embeddings_type=positions)
    expected = logits(model)
    convert_to_int8(model)
    error = (logits(model) - expected).square().mean().sqrt()
    assert 0 < error < 0.05 * expected.square().mean().sqrt()


@pytest.mark.parametrize(
    ("head", "per_block"),
    [
        ("ConformerForCTC", 11),  # 4 feed-forward, 5 attention, 2 convolution
        ("ConformerForSequenceClassification", 11),
        ("ForCTC", 6),
    ],
)
def test_the_linear_maps_of_the_blocks_are_converted_and_nothing_else(
    head: str, per_block: int
) -> None:
    model = build(head, position_embeddings_type="relative") if "Conf" in head else build(head)
    others = {n for n, _ in model.named_modules() if ".encoder.layers." not in n}
    types = {n: type(m) for n, m in model.named_modules() if n in others}
    convert_to_int8(model)
    assert sum(isinstance(m, Int8Linear) for m in model.modules()) == 2 * per_block
    assert {n: type(m) for n, m in model.named_modules() if n in others} == types
    assert logits(model).isfinite().all()


def test_language_adapters_stay_in_float() -> None:
    model = build("ForCTC", adapter_attn_dim=4, do_stable_layer_norm=True)
    paths = [path for path, _, _ in find_int8_layers(model)]
    assert paths
    assert not [path for path in paths if "adapter_layer" in path]


def test_weights_take_a_quarter_of_the_memory() -> None:
    model = build(hidden_size=256, intermediate_size=1024)
    blocks = model.wav2vec2_conformer.encoder.layers

    def stored_bytes() -> int:
        return sum(value.nbytes for value in blocks.state_dict().values())

    before = stored_bytes()
    convert_to_int8(model)
    assert stored_bytes() < 0.27 * before
    assert not [n for n, p in blocks.named_parameters() if p.dim() == 2 and p.numel() > 4096]


def test_float_weights_are_released_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build()
    layers = [getattr(parent, name) for _, parent, name in find_int8_layers(model)]
    floats = [weakref.ref(layer.weight) for layer in layers]
    count, alive = len(layers), []
    del layers
    convert = Int8Linear.from_float

    def convert_and_count(weight: torch.Tensor, bias: torch.Tensor | None) -> Int8Linear:
        alive.append(sum(weight() is not None for weight in floats))
        return convert(weight, bias)

    monkeypatch.setattr(Int8Linear, "from_float", convert_and_count)
    convert_to_int8(model)
    assert alive == list(range(count, 0, -1))
    assert not [weight for weight in floats if weight() is not None]


def test_copies_states_and_casts_behave() -> None:
    model = build()
    convert_to_int8(model)
    expected = logits(model)
    assert torch.equal(logits(copy.deepcopy(model)), expected)
    other = build()
    convert_to_int8(other)
    other.load_state_dict(model.state_dict())
    assert torch.equal(logits(other), expected)
    convert_to_int8(model)  # changes nothing
    assert torch.equal(logits(model), expected)
    assert is_int8(model)
    model.to("cpu", torch.float32)
    assert torch.equal(logits(model), expected)


def test_training_and_gpus_are_refused() -> None:
    model = build()
    with pytest.raises(InputError, match=r"call model\.eval\(\) first"):
        convert_to_int8(model.train())
    convert_to_int8(model.eval())
    with pytest.raises(InputError, match="cannot be trained"):
        model.train()
    with pytest.raises(InputError, match="on the CPU only"):
        model.to("meta")
    with pytest.raises(InputError, match="convert CHECKPOINT FOLDER --compute-type int8"):
        model.save_pretrained("anywhere")
    assert not [name for name, p in model.named_parameters() if p.requires_grad]


def test_models_elsewhere_and_other_processors_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(InputError, match="the model is on meta"):
        convert_to_int8(build().to("meta"))
    monkeypatch.setattr(int8, "has_int8_products", lambda: False)
    with pytest.raises(InputError, match="needs an x86 processor with VNNI"):
        convert_to_int8(build())
