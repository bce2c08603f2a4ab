"""One Conformer block: its modules, and what its valid frames see."""

import pytest
import torch
import torch.nn.functional as F

from wav2vec2_conformer.nn.layer import ConformerLayer
from wav2vec2_conformer.nn.positions import RotaryPositions, relative_position_table

DIM, HEADS = 8, 2


@pytest.fixture(params=["relative", "rotary", None], ids=str)
def layer(randomize, request):
    return randomize(
        ConformerLayer(DIM, 12, HEADS, kernel_size=5, positions=request.param, activation=F.silu)
    ).eval()


def run(layer, frames, *masks, **options):
    """Give the layer the positions it wants."""
    table = rotation = None
    if layer.self_attn.positions == "relative":
        table = relative_position_table(frames.shape[1], DIM, frames.device)
    elif layer.self_attn.positions == "rotary":
        rotation = RotaryPositions(DIM // HEADS)(frames.shape[1])
    return layer(frames, table, rotation, *masks, **options)


def test_padding_does_not_matter(layer, assert_ignores_padding):
    assert_ignores_padding(lambda x, mask: run(layer, x, mask, mask)[0], torch.randn(3, 11, DIM))


@pytest.mark.parametrize("which", ["keys", "convolution"])
def test_each_mask_is_needed(layer, padding_mask, which):
    frames = torch.randn(3, 11, DIM)
    masks = (padding_mask, None) if which == "keys" else (None, padding_mask)
    leak = (run(layer, frames, *masks)[0] - run(layer, frames, padding_mask, padding_mask)[0]).abs()
    assert leak[1, 5].max() > 1e-3
    assert leak[0].max() < 1e-5


def test_modules_are_half_attention_convolution_half(layer):
    """With the outputs of all other modules zero, each one's share shows."""
    frames = torch.randn(1, 7, DIM)
    ends = {
        "ffn1": layer.ffn1.output_dense.weight,
        "self_attn": layer.self_attn.linear_out.weight,
        "conv_module": layer.conv_module.pointwise_conv2.weight,
        "ffn2": layer.ffn2.output_dense.weight,
    }
    kept = {name: weight.detach().clone() for name, weight in ends.items()}
    with torch.no_grad():
        for module in (layer.ffn1, layer.ffn2):
            module.output_dense.bias.zero_()
        layer.self_attn.linear_out.bias.zero_()
        for weight in ends.values():
            weight.zero_()
        torch.testing.assert_close(run(layer, frames)[0], layer.final_layer_norm(frames))
        for name, weight in ends.items():
            weight.copy_(kept[name])
            if name.startswith("ffn"):
                normed = layer.get_submodule(f"{name}_layer_norm")(frames)
                added = 0.5 * layer.get_submodule(name)(normed)
            elif name == "conv_module":
                added = layer.conv_module(frames)
            else:
                normed = layer.self_attn_layer_norm(frames)
                added = run_attention(layer, normed)
            expected = layer.final_layer_norm(frames + added)
            torch.testing.assert_close(run(layer, frames)[0], expected)
            weight.zero_()


def run_attention(layer, frames):
    table = rotation = None
    if layer.self_attn.positions == "relative":
        table = relative_position_table(frames.shape[1], DIM, frames.device)
    elif layer.self_attn.positions == "rotary":
        rotation = RotaryPositions(DIM // HEADS)(frames.shape[1])
    return layer.self_attn(frames, table, rotation)[0]


def test_weights_are_returned_when_asked(layer):
    frames = torch.randn(1, 7, DIM)
    out, weights = run(layer, frames, return_weights=True)
    assert weights.shape == (1, HEADS, 7, 7)
    silent, nothing = run(layer, frames)
    assert nothing is None
    torch.testing.assert_close(out, silent)
