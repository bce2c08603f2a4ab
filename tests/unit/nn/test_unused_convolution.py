"""The convolution that files carry and nothing uses: loaded, saved, never in the way."""

import copy
import io
import pickle

import pytest
import torch

from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerForCTC
from wav2vec2_conformer.nn.unused_convolution import UnusedPositionalConvolution

NAMES = (
    "conv.bias",
    "conv.parametrizations.weight.original0",
    "conv.parametrizations.weight.original1",
)


@pytest.fixture
def model(tiny_config_kwargs):
    return Wav2Vec2ConformerForCTC(Wav2Vec2ConformerConfig(**tiny_config_kwargs)).eval()


def test_names_and_shapes_are_those_of_the_files():
    module = UnusedPositionalConvolution(8, 4, 2)
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    assert shapes == dict(zip(NAMES, [(8,), (1, 1, 4), (8, 4, 4)], strict=True))


def test_wants_no_gradient():
    assert not any(p.requires_grad for p in UnusedPositionalConvolution(8, 4, 2).parameters())


def test_reads_legacy_names():
    module = UnusedPositionalConvolution(8, 4, 2)
    values = {name: torch.randn(value.shape) for name, value in module.state_dict().items()}
    legacy = dict(
        zip(("conv.bias", "conv.weight_g", "conv.weight_v"), values.values(), strict=True)
    )
    kept = dict(legacy)
    module.load_state_dict(legacy)
    torch.testing.assert_close(dict(module.state_dict()), values, atol=0.0, rtol=0.0)
    assert legacy.keys() == kept.keys()  # the caller's dictionary is its own


def test_names_of_strangers_are_refused():
    module = UnusedPositionalConvolution(8, 4, 2)
    with pytest.raises(RuntimeError, match="weight_x"):
        module.load_state_dict({**module.state_dict(), "conv.weight_x": torch.zeros(1)})


@pytest.mark.parametrize("gradients_first", [False, True])
def test_every_parameter_that_wants_a_gradient_gets_one(model, gradients_first):
    """Or distributed training waits for it in vain."""
    if gradients_first:
        model.requires_grad_(requires_grad=True)
    model.config.apply_spec_augment = False
    model.train()
    model(torch.randn(2, 8_000), labels=torch.tensor([[1, 2], [3, 4]])).loss.backward()
    without = {name for name, p in model.named_parameters() if p.requires_grad and p.grad is None}
    unused = {f"wav2vec2_conformer.encoder.pos_conv_embed.{name}" for name in NAMES}
    embedding = {"wav2vec2_conformer.masked_spec_embed"}
    assert without == embedding | (unused if gradients_first else set())


def through_torch_save(model):
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@pytest.mark.parametrize(
    "duplicate",
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),  # noqa: S301
        through_torch_save,
    ],
    ids=["deepcopy", "pickle", "torch.save"],
)
@pytest.mark.parametrize("positions", ["relative", "rotary", None])
def test_whole_model_can_be_copied(tiny_config_kwargs, duplicate, positions):
    """With a weight norm in place of plain halves it could not be."""
    config = Wav2Vec2ConformerConfig(**tiny_config_kwargs, position_embeddings_type=positions)
    model = Wav2Vec2ConformerForCTC(config).eval()
    waveforms = torch.randn(2, 8_000)
    with torch.no_grad():
        expected = model(waveforms).logits
        twin = duplicate(model)
        torch.testing.assert_close(twin(waveforms).logits, expected)
        for parameter in model.parameters():
            parameter.zero_()
        torch.testing.assert_close(twin(waveforms).logits, expected)
    assert twin.config.to_dict() == model.config.to_dict()
