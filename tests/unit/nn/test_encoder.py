"""The stack of blocks: hidden states, weighted sums, layer drop, checkpoints, padding."""

import pytest
import torch
import torch.nn.functional as F

from wav2vec2_conformer.nn.encoder import Encoder
from wav2vec2_conformer.nn.layer import ConformerLayer
from wav2vec2_conformer.nn.positions import RotaryPositions

DIM = 8


@pytest.fixture(params=["relative", "rotary", None], ids=str)
def positions(request):
    return request.param


@pytest.fixture
def build(randomize):
    def make(positions="relative", num_layers=3, dropout=0.0, attention_dropout=0.0, **settings):
        layers = (
            ConformerLayer(
                DIM,
                12,
                2,
                kernel_size=5,
                positions=positions,
                activation=F.silu,
                dropout=dropout,
                attention_dropout=attention_dropout,
            )
            for _ in range(num_layers)
        )
        encoder = Encoder(
            DIM,
            layers,
            positions=positions,
            rotary=RotaryPositions(DIM // 2) if positions == "rotary" else None,
            dropout=dropout,
            **settings,
        )
        return randomize(encoder).eval()

    return make


def test_padding_does_not_matter(build, assert_ignores_padding, positions):
    encoder = build(positions)

    def run(frames, padding_mask):
        return encoder.encode(frames, padding_mask).last_hidden_state

    assert_ignores_padding(run, torch.randn(3, 11, DIM))


def test_padding_matters_when_it_may(build, padding_mask):
    encoder, frames = build(), torch.randn(3, 11, DIM)
    exact, leaking = (
        encoder.encode(frames, padding_mask, exact_padding=exact).last_hidden_state
        for exact in (True, False)
    )
    assert (exact - leaking)[1, :6].abs().max() > 1e-3
    torch.testing.assert_close(exact[0], leaking[0], atol=1e-5, rtol=1e-5)


def test_padding_does_not_reach_the_gradient(build, padding_mask, positions):
    """In training, where batch norm sees the whole batch."""
    encoder = build(positions).train()
    frames = torch.randn(3, 11, DIM)
    garbage = torch.where(padding_mask[:, :, None], 100.0, frames)
    found = []
    for x in (frames, garbage):
        encoder.zero_grad()
        x = x.clone().requires_grad_()  # noqa: PLW2901
        encoder.encode(x, padding_mask).last_hidden_state[~padding_mask].square().sum().backward()
        parameters = [p.grad.clone() for p in encoder.parameters() if p.grad is not None]
        found.append([x.grad, *parameters])
        assert x.grad[padding_mask].abs().max() == 0.0
    torch.testing.assert_close(*found, atol=1e-4, rtol=1e-4)


def test_input_is_left_as_it_was(build, padding_mask):
    frames = torch.randn(3, 11, DIM)
    before = frames.clone()
    build().encode(frames, padding_mask)
    assert torch.equal(frames, before)


def test_hidden_states(build):
    encoder, frames = build(), torch.randn(2, 7, DIM)
    out = encoder.encode(frames, keep_hidden_states=True)
    assert len(out.hidden_states) == 4
    torch.testing.assert_close(out.hidden_states[0], frames)
    assert out.hidden_states[-1] is out.last_hidden_state
    shorter = build(num_layers=1)
    shorter.load_state_dict(encoder.state_dict(), strict=False)
    first = shorter.encode(frames).last_hidden_state
    torch.testing.assert_close(encoder.layer_norm(out.hidden_states[1]), first)


def test_first_hidden_state_has_no_padding(build, padding_mask):
    out = build().encode(torch.randn(3, 11, DIM), padding_mask, keep_hidden_states=True)
    assert out.hidden_states[0][padding_mask].abs().max() == 0.0


@pytest.mark.parametrize("keep_hidden_states", [False, True])
def test_weighted_sum(build, keep_hidden_states):
    encoder, frames = build(), torch.randn(2, 7, DIM)
    weights = torch.tensor([0.5, -1.0, 2.0, 0.25])
    out = encoder.encode(frames, keep_hidden_states=keep_hidden_states, layer_weights=weights)
    states = torch.stack(encoder.encode(frames, keep_hidden_states=True).hidden_states)
    torch.testing.assert_close(out.weighted_sum, torch.einsum("l,lbtd->btd", weights, states))


def test_nothing_is_kept_unasked(build):
    assert build().encode(torch.randn(2, 7, DIM))[1:] == (None, None, None)


def test_attention_weights_cost_no_other_result(build, positions):
    encoder, frames = build(positions), torch.randn(2, 7, DIM)
    out = encoder.encode(frames, keep_attentions=True)
    assert [tuple(weights.shape) for weights in out.attentions] == [(2, 2, 7, 7)] * 3
    expected = encoder.encode(frames).last_hidden_state
    torch.testing.assert_close(out.last_hidden_state, expected)
    eager = encoder.encode(frames, eager_attention=True)
    torch.testing.assert_close(eager.last_hidden_state, expected)
    assert eager.attentions is None


def test_dropout_acts_on_the_input_in_training_alone(build):
    encoder, frames = build(dropout=0.5), torch.randn(2, 50, DIM)
    assert encoder.encode(frames, keep_hidden_states=True).hidden_states[0] is frames
    encoder.train()
    first = encoder.encode(frames, keep_hidden_states=True).hidden_states[0]
    assert 0.3 < (first == 0.0).float().mean() < 0.7


def test_layer_drop_of_all_layers_leaves_the_norm(build):
    encoder, frames = build(layer_drop=1.0), torch.randn(2, 7, DIM)
    encoder.train()
    out = encoder.encode(frames, keep_hidden_states=True, keep_attentions=True)
    torch.testing.assert_close(out.last_hidden_state, encoder.layer_norm(frames))
    assert len(out.hidden_states) == 4
    assert len(out.attentions) == 3


def test_layer_drop_is_for_training(build):
    encoder, frames = build(layer_drop=1.0), torch.randn(2, 7, DIM)
    plain = build(layer_drop=0.0)
    plain.load_state_dict(encoder.state_dict())
    expected = plain.encode(frames).last_hidden_state
    torch.testing.assert_close(encoder.encode(frames).last_hidden_state, expected)


def test_layer_drop_has_its_rate(build):
    encoder, frames = build(num_layers=2, layer_drop=0.3), torch.randn(1, 3, DIM)
    encoder.train()
    dropped = 0
    with torch.no_grad():
        for _ in range(200):
            states = encoder.encode(frames, keep_hidden_states=True).hidden_states
            dropped += torch.equal(states[1], states[0])
    assert 35 < dropped < 85  # 60 expected, four deviations of 6.5


def test_dropped_layers_stay_in_the_graph(build):
    """Distributed training waits for a gradient of each parameter."""
    encoder = build(layer_drop=1.0).train()
    encoder.encode(torch.randn(2, 7, DIM)).last_hidden_state.sum().backward()
    for name, parameter in encoder.layers.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() == 0.0, name


@pytest.fixture(params=[False, True], ids=["whole", "padded"])
def checkpointed(build, positions, padding_mask, request):
    """Return what a training step does without and with checkpoints."""
    encoder = build(positions, dropout=0.2, attention_dropout=0.2, layer_drop=0.2).train()
    frames = torch.randn(3, 11, DIM)
    mask = padding_mask if request.param else torch.zeros_like(padding_mask)
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    steps = []
    for checkpointing in (False, True):
        encoder.load_state_dict(state)
        encoder.zero_grad()
        encoder.gradient_checkpointing = checkpointing
        torch.manual_seed(3)
        out = encoder.encode(frames, mask if request.param else None).last_hidden_state
        out[~mask].square().sum().backward()
        gradients = {
            name: parameter.grad.clone()
            for name, parameter in encoder.named_parameters()
            if parameter.grad is not None
        }
        statistics = {name: b.clone() for name, b in encoder.named_buffers() if "norm" in name}
        steps.append((out, gradients, statistics))
    return zip(*steps, strict=True)


def test_checkpointing_changes_no_gradient(checkpointed):
    outputs, gradients, _ = checkpointed
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients[0].values())


def test_checkpointing_changes_no_running_statistics(checkpointed):
    """Blocks run twice in a step; their batch norms must count once."""
    *_, statistics = checkpointed
    torch.testing.assert_close(*statistics)
