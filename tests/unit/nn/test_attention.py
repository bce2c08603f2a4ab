"""Self-attention: its definition, padding, blocks of queries."""

import pytest
import torch

from wav2vec2_conformer.nn import attention as attention_module
from wav2vec2_conformer.nn.attention import SelfAttention
from wav2vec2_conformer.nn.positions import RotaryPositions, relative_position_table

DIM, HEADS, HEAD_DIM = 8, 2, 4


@pytest.fixture(params=["relative", "rotary", None], ids=str)
def positions(request):
    return request.param


@pytest.fixture
def build(randomize):
    def make(positions="relative", **settings):
        return randomize(SelfAttention(DIM, HEADS, positions=positions, **settings)).eval()

    return make


def attend(attention, frames, padding_mask=None, **options):
    """Give the attention the positions it wants."""
    table = rotation = None
    if attention.positions == "relative":
        table = relative_position_table(frames.shape[1], DIM, frames.device)
    elif attention.positions == "rotary":
        rotation = RotaryPositions(HEAD_DIM)(frames.shape[1])
    return attention(frames, table, rotation, padding_mask, **options)


def test_relative_scores_by_their_definition(build):
    attention = build()
    frames = torch.randn(1, 5, DIM)
    weights = attend(attention, frames, return_weights=True)[1][0]
    query, key = (linear(frames[0]) for linear in (attention.linear_q, attention.linear_k))
    table = attention.linear_pos(relative_position_table(5, DIM, frames.device))
    for head in range(HEADS):
        part = slice(HEAD_DIM * head, HEAD_DIM * (head + 1))
        scores = torch.zeros(5, 5)
        for i in range(5):
            for j in range(5):
                content = (query[i, part] + attention.pos_bias_u[head]) @ key[j, part]
                offset = table[4 - (i - j), part]  # rows from i - j = 4 down to -4
                position = (query[i, part] + attention.pos_bias_v[head]) @ offset
                scores[i, j] = (content + position) / 2.0
        torch.testing.assert_close(weights[head], scores.softmax(1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("return_weights", [False, True])
@pytest.mark.parametrize("with_gradient", [False, True])
def test_padded_keys_do_not_matter(
    build, assert_ignores_padding, positions, return_weights, with_gradient
):
    attention = build(positions)

    def run(frames, padding_mask):
        return attend(attention, frames, padding_mask, return_weights=return_weights)[0]

    with torch.set_grad_enabled(with_gradient):
        assert_ignores_padding(run, torch.randn(3, 11, DIM))


def test_weights_are_shares_of_valid_keys(build, positions, padding_mask):
    frames = torch.randn(3, 11, DIM)
    mixed, weights = attend(build(positions), frames, padding_mask, return_weights=True)
    assert mixed.shape == (3, 11, DIM)
    assert weights.shape == (3, HEADS, 11, 11)
    torch.testing.assert_close(weights.sum(3), torch.ones(3, HEADS, 11))
    assert weights.transpose(1, 3)[padding_mask].abs().max() == 0.0


def test_weights_are_not_returned_unasked(build, positions):
    assert attend(build(positions), torch.randn(1, 3, DIM))[1] is None


@pytest.mark.parametrize("return_weights", [False, True])
@pytest.mark.parametrize("with_gradient", [False, True])
def test_utterance_of_padding_alone_is_finite(build, positions, with_gradient, return_weights):
    mask = torch.ones(2, 6, dtype=torch.bool)
    frames = torch.randn(2, 6, DIM).requires_grad_(with_gradient)
    with torch.set_grad_enabled(with_gradient):
        out, _ = attend(build(positions), frames, mask, return_weights=return_weights)
    assert out.isfinite().all()
    if with_gradient:
        out.sum().backward()
        assert frames.grad.isfinite().all()


@pytest.mark.parametrize("num_frames", [1, 3, 4, 5, 8, 11])
def test_blocks_of_queries_change_nothing(build, monkeypatch, num_frames):
    attention, frames = build(), torch.randn(3, num_frames, DIM)
    mask = torch.arange(num_frames) >= torch.tensor([num_frames, 2, 1])[:, None]
    whole = attend(attention, frames, mask)[0]
    monkeypatch.setattr(attention_module, "QUERY_BLOCK_FRAMES", 4)
    torch.testing.assert_close(attend(attention, frames, mask)[0], whole)
    with torch.no_grad():
        torch.testing.assert_close(attend(attention, frames, mask)[0], whole)


def test_dropout_acts_in_training_alone(build, positions):
    attention, frames = build(positions, dropout=0.5), torch.randn(1, 6, DIM)
    sure = attend(attention, frames)[0]
    torch.testing.assert_close(attend(attention, frames)[0], sure, atol=0.0, rtol=0.0)
    attention.train()
    for return_weights in (False, True):
        out, weights = attend(attention, frames, return_weights=return_weights)
        assert not torch.allclose(out, sure)
    assert (weights == 0.0).any()
