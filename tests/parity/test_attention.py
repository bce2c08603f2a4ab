"""Rung: self-attention with relative, rotary and no positions.

Lengths lie around the block of queries (256 frames), so that one, two and three blocks occur.
"""

import pytest
import torch

from wav2vec2_conformer.nn.attention import QUERY_BLOCK_FRAMES

LENGTHS = [1, 2, 41, QUERY_BLOCK_FRAMES, QUERY_BLOCK_FRAMES + 1, 300, 2 * QUERY_BLOCK_FRAMES + 9]


@pytest.fixture
def build_attention(build_pair, position_inputs, positions):
    """Return our attention and the reference's (eager, which tells its weights) as functions."""

    def build(num_frames, padding_mask=None, **options):
        pair = build_pair(position_embeddings_type=positions, attn_implementation="eager")
        inputs = position_inputs(pair, num_frames)
        ours, theirs = (model.encoder.layers[0].self_attn for model in pair)
        bias = None
        if padding_mask is not None:
            bias = padding_mask[:, None, None, :] * torch.finfo(torch.float32).min
        return (
            lambda x: ours(x, *inputs.ours, padding_mask, **options),
            lambda x: theirs(x, attention_mask=bias, relative_position_embeddings=inputs.theirs),
        )

    return build


def padding(num_frames):
    """Pad the second of two utterances from its third on."""
    mask = torch.zeros(2, num_frames, dtype=torch.bool)
    mask[1, 1 + num_frames // 3 :] = True
    return mask


@pytest.mark.parametrize("is_padded", [False, True])
@pytest.mark.parametrize("num_frames", LENGTHS)
def test_attention(build_attention, assert_equal, num_frames, is_padded):
    mask = padding(num_frames) if is_padded else None
    ours, theirs = build_attention(num_frames, mask)
    frames = torch.randn(2, num_frames, 32)
    expected = theirs(frames)[0]
    assert_equal(ours(frames)[0], expected)
    with torch.no_grad():
        assert_equal(ours(frames)[0], expected)


@pytest.mark.parametrize("is_padded", [False, True])
@pytest.mark.parametrize("num_frames", [1, 41, 300])
def test_attention_weights(build_attention, assert_equal, num_frames, is_padded):
    mask = padding(num_frames) if is_padded else None
    ours, theirs = build_attention(num_frames, mask, return_weights=True)
    frames = torch.randn(2, num_frames, 32)
    mixed, weights = ours(frames)
    their_mixed, their_weights = theirs(frames)
    assert_equal(weights, their_weights)
    assert_equal(mixed, their_mixed)


def test_gradient_through_blocks(build_attention, assert_equal):
    mask = padding(300)
    ours, theirs = build_attention(300, mask)
    gradients = []
    for attend in (ours, theirs):
        torch.manual_seed(0)
        frames = torch.randn(2, 300, 32).requires_grad_()
        out = attend(frames)[0]
        (out * torch.randn(out.shape)).sum().backward()
        gradients.append(frames.grad)
    assert_equal(*gradients, tolerance=1e-4)
