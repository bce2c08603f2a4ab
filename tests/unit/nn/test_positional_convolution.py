"""Positions by a convolution, and the encoder's norm before its blocks."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wav2vec2_conformer.nn.encoder import Encoder
from wav2vec2_conformer.nn.layer import ConformerLayer
from wav2vec2_conformer.nn.positional_convolution import PositionalConvolution
from wav2vec2_conformer.nn.positions import RotaryPositions

DIM = 8


@pytest.fixture
def build(randomize):
    def make(positions="convolutional", kernel_size=5, norm="after"):
        layers = (
            ConformerLayer(
                DIM,
                12,
                2,
                kernel_size=kernel_size,
                positions=None if positions == "convolutional" else positions,
                activation=F.silu,
            )
            for _ in range(2)
        )
        in_use = positions == "convolutional"
        encoder = Encoder(
            DIM,
            layers,
            positions=positions,
            norm=norm,
            rotary=RotaryPositions(DIM // 2) if positions == "rotary" else None,
            positional_convolution=PositionalConvolution(DIM, 4, 2) if in_use else None,
        )
        return randomize(encoder).eval()

    return make


@pytest.mark.parametrize("kernel_size", [3, 4])
def test_it_is_a_weight_normed_convolution_and_gelu(randomize, kernel_size):
    ours = randomize(PositionalConvolution(DIM, kernel_size, 2))
    assert all(parameter.requires_grad for parameter in ours.parameters())
    conv = nn.Conv1d(DIM, DIM, kernel_size, padding=kernel_size // 2, groups=2)
    conv = nn.utils.parametrizations.weight_norm(conv, dim=2)
    conv.load_state_dict(ours.conv.state_dict())
    frames = torch.randn(2, 9, DIM)
    expected = F.gelu(conv(frames.transpose(1, 2))[:, :, :9]).transpose(1, 2)
    torch.testing.assert_close(ours(frames), expected)


@pytest.mark.parametrize("norm", ["after", "before"])
def test_padding_does_not_matter(build, assert_ignores_padding, norm):
    encoder = build(norm=norm)

    def run(frames, padding_mask):
        return encoder.encode(frames, padding_mask).last_hidden_state

    assert_ignores_padding(run, torch.randn(3, 11, DIM))


def test_frames_know_their_places(build):
    """Without positions, and with convolutions of one frame, their order makes no difference."""
    frames = torch.randn(1, 9, DIM)
    for positions, is_blind in ((None, True), ("convolutional", False)):
        encoder = build(positions=positions, kernel_size=1)
        out, back = (encoder.encode(x).last_hidden_state for x in (frames, frames.flip(1)))
        assert ((out - back.flip(1)).abs().max() < 1e-5) == is_blind


@pytest.mark.parametrize("positions", ["relative", "rotary", "convolutional", None])
def test_the_norm_stands_before_the_blocks(build, positions):
    encoder = build(positions=positions, norm="before")
    frames = torch.randn(1, 9, DIM)
    out = encoder.encode(frames, keep_hidden_states=True)
    start = frames
    if positions == "convolutional":
        start = frames + encoder.pos_conv_embed(frames)
    torch.testing.assert_close(out.hidden_states[0], encoder.layer_norm(start))
    assert out.hidden_states[-1] is out.last_hidden_state
    encoder.norm = "after"
    after = encoder.encode(encoder.layer_norm(frames), keep_hidden_states=True)
    if positions != "convolutional":
        torch.testing.assert_close(
            after.last_hidden_state, encoder.layer_norm(out.last_hidden_state)
        )


def test_a_new_one_gives_numbers():
    frames = torch.randn(1, 9, DIM)
    assert PositionalConvolution(DIM, 4, 2)(frames).isfinite().all()


def test_gradients_reach_the_convolution(build):
    encoder = build().train()
    encoder.encode(torch.randn(2, 9, DIM)).last_hidden_state.square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in encoder.pos_conv_embed.parameters())
