"""The plain transformer block, and attention with clipped positions: packing and padding."""

import pytest
import torch
import torch.nn.functional as F

from wav2vec2_conformer.nn.attention import SelfAttention
from wav2vec2_conformer.nn.convolution import ConvolutionModule
from wav2vec2_conformer.nn.transformer_layer import TransformerLayer

DIM = 8


@pytest.fixture
def build(randomize):
    def make(norm_first=False, **settings):
        layer = TransformerLayer(DIM, 12, 2, norm_first=norm_first, activation=F.gelu, **settings)
        return randomize(layer).eval()

    return make


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("return_weights", [False, True])
def test_padding_does_not_matter(build, assert_ignores_padding, norm_first, return_weights):
    layer = build(norm_first, adapter_dim=3 if norm_first else None)

    def run(frames, padding_mask):
        return layer(frames, None, None, padding_mask, None, return_weights)[0]

    assert_ignores_padding(run, torch.randn(3, 11, DIM))


@pytest.mark.parametrize("norm_first", [False, True])
def test_evaluation_leaves_its_input_alone(build, norm_first):
    layer, frames = build(norm_first), torch.randn(2, 7, DIM)
    before, expected = frames.clone(), layer(frames)[0]
    with torch.inference_mode():
        torch.testing.assert_close(layer(frames)[0], expected)
    assert torch.equal(frames, before)


def test_adapter_is_added_at_the_end(build):
    layer, frames = build(norm_first=True, adapter_dim=3), torch.randn(2, 7, DIM)
    adapted = layer(frames)[0]
    adapter, layer.adapter_layer = layer.adapter_layer, None
    plain = layer(frames)[0]
    torch.testing.assert_close(adapted, plain + adapter(plain))


@pytest.mark.parametrize("gradient", [False, True])
def test_packed_utterances_with_clipped_positions(randomize, gradient):
    attention = randomize(
        SelfAttention(DIM, 2, positions="relative_key", max_left_frames=3, max_right_frames=1)
    ).eval()
    utterances = [torch.randn(1, length, DIM) for length in (9, 4, 1)]
    with torch.set_grad_enabled(gradient):
        packed, _ = attention(torch.cat(utterances, dim=1), packed_lengths=[9, 4, 1])
        single = torch.cat([attention(utterance)[0] for utterance in utterances], dim=1)
    torch.testing.assert_close(packed, single)


def test_clipped_positions_are_one_vector_for_each_distance(randomize):
    """As written in the paper: a vector for each distance, clipped, beside each key."""
    attention = randomize(
        SelfAttention(DIM, 2, positions="relative_key", max_left_frames=3, max_right_frames=1)
    )
    frames = torch.randn(1, 6, DIM)
    _, weights = attention(frames, return_weights=True)
    query, key = (
        layer(frames)[0].unflatten(1, (2, 4)).transpose(0, 1)
        for layer in (attention.linear_q, attention.linear_k)
    )
    for i in range(6):
        distances = [min(max(j - i, -3), 1) + 3 for j in range(6)]
        keys = key + attention.distance_embedding.weight[distances]
        scores = torch.einsum("hk,hjk->hj", query[:, i], keys) / 2
        torch.testing.assert_close(weights[0, :, i], scores.softmax(1))


@pytest.mark.parametrize("kernel_size", [1, 3, 7])
@pytest.mark.parametrize("num_frames", [1, 2, 20])
def test_causal_convolution_sees_no_frame_ahead(randomize, kernel_size, num_frames):
    module = randomize(ConvolutionModule(DIM, kernel_size=kernel_size, causal=True)).eval()
    frames = torch.randn(2, num_frames, DIM)
    out = module(frames)
    with torch.inference_mode():
        torch.testing.assert_close(module(frames), out)
    conv = module.depthwise_conv
    x = F.glu(F.linear(module.layer_norm(frames), module.pointwise_conv1.weight[:, :, 0]), dim=2)
    x = conv(F.pad(x.transpose(1, 2), (kernel_size - 1, 0))).transpose(1, 2)
    x = F.silu(module.depthwise_layer_norm(x))
    torch.testing.assert_close(out, F.linear(x, module.pointwise_conv2.weight[:, :, 0]))
    later = frames.clone()
    later[:, num_frames // 2 + 1 :] += 1.0
    torch.testing.assert_close(module(later)[:, : num_frames // 2], out[:, : num_frames // 2])
    out.sum().backward()
    assert conv.weight.grad.abs().max() > 0
