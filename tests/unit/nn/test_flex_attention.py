"""FlexAttention beside attention as in the papers: positions, padding, blocks, what it refuses."""

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn import flex_attention as flex_module
from wav2vec2_conformer.nn.attention import SelfAttention
from wav2vec2_conformer.nn.flex_attention import FlexAttention, mask_keys
from wav2vec2_conformer.nn.positions import RotaryPositions, relative_position_table

DIM, HEADS = 8, 2

# On a CPU it runs uncompiled, and torch says once that this is slow.
pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")


@pytest.fixture
def build(randomize):
    def make(positions="relative", **settings):
        return randomize(SelfAttention(DIM, HEADS, positions=positions, **settings)).eval()

    return make


@torch.no_grad()
def attend(attention, frames, padding_mask=None, **options):
    table = rotation = None
    if attention.positions == "relative":
        table = relative_position_table(frames.shape[1], DIM, frames.device)
    elif attention.positions == "rotary":
        rotation = RotaryPositions(DIM // HEADS)(frames.shape[1])
    return attention(frames, table, rotation, padding_mask, **options)[0]


def mask_of(lengths, num_frames):
    return torch.arange(num_frames) >= torch.tensor(lengths)[:, None]


@pytest.mark.parametrize("positions", ["relative", "relative_key", "rotary", None])
@pytest.mark.parametrize("lengths", [None, (290, 128, 130)], ids=str)
def test_it_is_attention_as_in_the_papers(build, positions, lengths):
    attention, frames = build(positions), torch.randn(3, 290, DIM)
    mask = None if lengths is None else mask_of(lengths, 290)
    found = attend(attention, frames, mask, flex=FlexAttention(mask))
    expected = attend(attention, frames, mask, return_weights=True)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("positions", ["relative", "rotary", None])
def test_padded_keys_do_not_matter(build, assert_ignores_padding, positions):
    attention = build(positions)

    def run(frames, padding_mask):
        return attend(attention, frames, padding_mask, flex=FlexAttention(padding_mask))

    assert_ignores_padding(run, torch.randn(3, 11, DIM))


def test_padding_may_stand_anywhere(build):
    attention, frames = build(), torch.randn(2, 140, DIM)
    mask = torch.rand(2, 140) < 0.5
    found = attend(attention, frames, mask, flex=FlexAttention(mask))
    expected = attend(attention, frames, mask, return_weights=True)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_an_utterance_of_padding_alone_is_finite(build):
    mask = mask_of([6, 0], 6)
    out = attend(build(), torch.randn(2, 6, DIM), mask, flex=FlexAttention(mask))
    assert out.isfinite().all()


@pytest.mark.parametrize("num_frames", [1, 4, 5, 11])
def test_blocks_of_queries_change_nothing(build, monkeypatch, num_frames):
    attention, frames = build(), torch.randn(2, num_frames, DIM)
    mask = mask_of([num_frames, 1], num_frames)
    whole = attend(attention, frames, mask, flex=FlexAttention(mask))
    monkeypatch.setattr(flex_module, "QUERY_BLOCK_FRAMES", 4)
    blocks = attend(attention, frames, mask, flex=FlexAttention(mask))
    torch.testing.assert_close(blocks, whole, atol=1e-5, rtol=1e-5)


def test_scores_of_positions_are_those_of_one_block(build, monkeypatch):
    seen = []

    def note(query, key, value, *, score_mod, block_mask):  # noqa: ARG001 - torch's form
        [held] = score_mod.__closure__
        stored = held.cell_contents.untyped_storage().nbytes() // query.element_size()
        seen.append((query.shape[2], stored))
        return torch.zeros_like(query)

    monkeypatch.setattr(flex_module, "_kernel", lambda _: note)
    attend(build(), torch.randn(1, 600, DIM), flex=FlexAttention(None))
    rows = [256, 256, 88]
    assert seen == [(count, HEADS * count * (600 + count - 1)) for count in rows]


@pytest.mark.parametrize("num_queries", [40, 128, 300])
def test_blocks_of_keys_are_those_that_torch_finds(num_queries):
    valid = ~mask_of([300, 256, 129, 7, 0], 300)
    valid[1, 100:200] = False
    found = mask_keys(valid, num_queries)
    expected = create_block_mask(
        lambda b, h, q, k: valid[b, k],  # noqa: ARG005 - torch's form
        len(valid),
        None,
        num_queries,
        300,
        device="cpu",
    )
    assert found.shape == expected.shape
    for name in ("kv_num_blocks", "kv_indices", "full_kv_num_blocks", "full_kv_indices"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), msg=name)


def test_blocks_of_keys_are_found_without_a_look_at_the_mask():
    """A look would make a GPU wait; on the device `meta` it fails."""
    found = mask_keys(torch.empty(2, 300, dtype=torch.bool, device="meta"), 300)
    assert found.kv_indices.shape == (2, 1, 3, 3)


def test_a_kernel_serves_all_lengths(build, monkeypatch):
    """As on a GPU, but for the last step of torch's compiler."""
    attention = build()
    compiled = torch.compile(flex_attention, backend="aot_eager", dynamic=True)
    monkeypatch.setattr(flex_module, "_kernel", lambda _: compiled)

    def run(num_frames):
        frames, mask = torch.randn(2, num_frames, DIM), mask_of([num_frames, 150], num_frames)
        found = attend(attention, frames, mask, flex=FlexAttention(mask))
        expected = attend(attention, frames, mask, return_weights=True)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)

    run(470)
    with torch.compiler.set_stance("fail_on_recompile"):
        run(411)
        run(389)


def test_kernels_are_compiled_but_on_cpus():
    assert flex_module._kernel("cpu") is flex_attention
    assert flex_module._kernel("cuda") is not flex_attention
    assert flex_module._kernel("cuda") is flex_module._kernel("cuda")


def test_gradients_are_refused(build):
    attention, frames = build(None), torch.randn(1, 5, DIM)
    with pytest.raises(InputError, match="is for inference"):
        attention(frames, flex=FlexAttention(None))


def test_dropout_is_refused(build):
    attention = build(None, dropout=0.1).train()
    with pytest.raises(InputError, match=r"attention_dropout is 0\.1"):
        attend(attention, torch.randn(1, 5, DIM), flex=FlexAttention(None))
