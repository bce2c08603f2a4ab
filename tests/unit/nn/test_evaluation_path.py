"""Without a gradient, modules compute in another order, on packed frames too: the same values."""

import pytest
import torch
import torch.nn.functional as F

from wav2vec2_conformer.nn import feed_forward as feed_forward_module
from wav2vec2_conformer.nn import head_scores
from wav2vec2_conformer.nn.attention import SelfAttention
from wav2vec2_conformer.nn.convolution import ConvolutionModule
from wav2vec2_conformer.nn.feature_encoder import ConvLayer
from wav2vec2_conformer.nn.feed_forward import FeedForward
from wav2vec2_conformer.nn.layer import ConformerLayer
from wav2vec2_conformer.nn.positions import RotaryPositions, relative_position_table

DIM, HEADS = 8, 2
LENGTHS = [7, 1, 11, 4]


def assert_same(function, *tensors):
    """Fail unless a function gives the same with and without a gradient, its input kept."""
    expected = function(*tensors)
    copies = [None if tensor is None else tensor.clone() for tensor in tensors]
    with torch.no_grad():
        found = function(*copies)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    for tensor, copy in zip(tensors, copies, strict=True):
        assert tensor is None or torch.equal(tensor, copy)


@pytest.mark.parametrize("positions", ["relative", "rotary", None])
@pytest.mark.parametrize("masked", [False, True])
def test_layer(randomize, padding_mask, positions, masked):
    layer = randomize(
        ConformerLayer(DIM, 12, HEADS, kernel_size=5, positions=positions, activation=F.silu)
    ).eval()
    table = relative_position_table(11, DIM, torch.device("cpu"))
    table = table if positions == "relative" else None
    rotation = RotaryPositions(DIM // HEADS)(11) if positions == "rotary" else None
    mask = padding_mask if masked else None
    assert_same(lambda x: layer(x, table, rotation, mask, mask)[0], torch.randn(3, 11, DIM))


@pytest.mark.parametrize("frames_at_once", [1, 4, 100])
def test_feed_forward(randomize, monkeypatch, frames_at_once):
    module = randomize(FeedForward(6, 10, activation=F.gelu)).eval()
    monkeypatch.setattr(feed_forward_module, "WIDENED_ELEMENTS", 10 * frames_at_once)
    assert_same(module, torch.randn(2, 5, 6))


@pytest.mark.parametrize("num_frames", [1, 3, 20])
def test_convolution_with_the_batch_norm_folded_in(randomize, num_frames):
    module = randomize(ConvolutionModule(6, kernel_size=5, activation=F.silu)).eval()
    assert_same(module, torch.randn(2, num_frames, 6))


def test_folding_rounds_no_more_than_the_batch_norm(randomize):
    module = randomize(ConvolutionModule(64, kernel_size=31, activation=F.silu)).eval()
    frames = torch.randn(1, 100, 64)
    exact, halved = module(frames), module.bfloat16()
    rounded = halved(frames.bfloat16())
    with torch.no_grad():
        folded = halved(frames.bfloat16())
    assert (folded - exact).square().mean() < 1.3 * (rounded - exact).square().mean()


def test_folding_is_for_evaluation(randomize):
    """In training the batch's own statistics count, with or without a gradient."""
    module = randomize(ConvolutionModule(6, kernel_size=5, activation=F.silu)).train()
    frames, before = torch.randn(2, 20, 6), module.batch_norm.running_mean.clone()
    expected = module(frames)
    with torch.no_grad():
        torch.testing.assert_close(module(frames), expected)
    assert not torch.allclose(module.batch_norm.running_mean, before)


@pytest.mark.parametrize("in_channels", [1, 5])
@pytest.mark.parametrize("bias", [False, True])
def test_feature_encoder_layer_with_channels_last(randomize, in_channels, bias):
    layer = randomize(
        ConvLayer(
            in_channels, 6, kernel_size=3, stride=2, bias=bias, norm="layer", activation=F.gelu
        )
    )
    assert_same(layer, torch.randn(2, in_channels, 18))
    assert_same(layer, torch.randn(2, 18, in_channels).transpose(1, 2))


@pytest.mark.parametrize("rows", [1, 4, 100])
@pytest.mark.parametrize("scores", [1, 40, 10_000])
@pytest.mark.parametrize("num_frames", [1, 2, 11])
def test_relative_attention_in_parts(randomize, monkeypatch, rows, scores, num_frames):
    monkeypatch.setattr(head_scores, "QUERY_ROWS", rows)
    monkeypatch.setattr(head_scores, "SCORE_ELEMENTS", scores)
    attention = randomize(SelfAttention(DIM, HEADS, positions="relative")).eval()
    table = relative_position_table(num_frames, DIM, torch.device("cpu"))
    mask = torch.arange(num_frames) >= torch.tensor([num_frames, 1, 0])[:, None]
    for padding_mask in (None, mask):
        frames = torch.randn(3, num_frames, DIM)
        assert_same(lambda x, m=padding_mask: attention(x, table, None, m)[0], frames)


@pytest.mark.parametrize("mode", ["plain", "gradient", "autocast"])
@pytest.mark.parametrize("positions", ["relative", "rotary", None])
def test_packed_layer_is_each_utterance_alone(randomize, positions, mode):
    layer = randomize(
        ConformerLayer(DIM, 12, HEADS, kernel_size=5, positions=positions, activation=F.silu)
    ).eval()
    utterances = [torch.randn(1, length, DIM) for length in LENGTHS]
    turns = RotaryPositions(DIM // HEADS)

    def place(lengths):
        table = relative_position_table(max(lengths), DIM, torch.device("cpu"))
        rotation = tuple(
            torch.cat([turns(length)[part] for length in lengths]) for part in range(2)
        )
        return (
            table if positions == "relative" else None,
            rotation if positions == "rotary" else None,
        )

    with (
        torch.set_grad_enabled(mode == "gradient"),
        torch.autocast("cpu", torch.bfloat16, enabled=mode == "autocast"),
    ):
        row = layer(torch.cat(utterances, dim=1), *place(LENGTHS), packed_lengths=LENGTHS)[0]
        alone = [layer(x, *place([x.shape[1]]))[0] for x in utterances]
    tolerance = 5e-2 if mode == "autocast" else 1e-5
    torch.testing.assert_close(row, torch.cat(alone, dim=1), atol=tolerance, rtol=tolerance)
