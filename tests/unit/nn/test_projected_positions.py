"""In evaluation, attention keeps projected positions, and forgets them when they are not true."""

import copy
import pickle

import pytest
import torch

from wav2vec2_conformer.nn import attention as attention_module
from wav2vec2_conformer.nn.attention import SelfAttention
from wav2vec2_conformer.nn.positions import relative_position_table

DIM, HEADS = 8, 2


@pytest.fixture
def build(randomize):
    return lambda: randomize(SelfAttention(DIM, HEADS, positions="relative")).eval()


@pytest.fixture
def attention(build):
    return build()


@pytest.fixture
def projections(monkeypatch):
    """Return a list that grows by the number of frames with each projection."""
    lengths = []
    project = SelfAttention._project_table

    def note(attention, table):
        lengths.append((table.shape[0] + 1) // 2)
        return project(attention, table)

    monkeypatch.setattr(SelfAttention, "_project_table", note)
    return lengths


def attend(attention, frames):
    return attention(frames, relative_position_table(frames.shape[1], DIM, frames.device))


def assert_true(attention, num_frames=9):
    """Fail unless it computes what a copy without memory does."""
    frames = torch.randn(2, num_frames, DIM).to(attention.linear_q.weight.dtype)
    fresh = SelfAttention(DIM, HEADS, positions="relative").to(frames.dtype).eval()
    fresh.load_state_dict(attention.state_dict())
    with torch.no_grad():
        found = attend(attention, frames)[0]
        torch.testing.assert_close(found, attend(fresh, frames)[0], atol=1e-6, rtol=1e-6)


def run(attention, num_frames):
    with torch.no_grad():
        return attend(attention, torch.randn(2, num_frames, DIM))[0]


def test_serves_the_same_and_shorter_lengths(attention, projections):
    for num_frames in (9, 9, 4, 1, 9):
        run(attention, num_frames)
    assert projections == [9]
    run(attention, 10)
    run(attention, 9)
    assert projections == [9, 10]


def test_slices_are_those_of_shorter_tables(attention):
    run(attention, 20)
    for num_frames in (1, 2, 7, 19, 20, 21):
        assert_true(attention, num_frames)


@pytest.mark.parametrize("mode", ["training", "gradient", "autocast"])
def test_is_for_evaluation_alone(attention, projections, mode):
    attention.train(mode == "training")
    frames = torch.randn(2, 9, DIM)
    with (
        torch.set_grad_enabled(mode == "gradient"),
        torch.autocast("cpu", enabled=mode == "autocast"),
    ):
        attend(attention, frames)
        attend(attention, frames)
    assert projections == [9, 9]


def test_is_not_made_of_long_tables(attention, projections, monkeypatch):
    monkeypatch.setattr(attention_module, "MAX_CACHED_FRAMES", 8)
    for num_frames in (8, 8, 9, 9):
        run(attention, num_frames)
    assert projections == [8, 9, 9]


def test_is_neither_made_nor_used_in_a_cuda_graph(attention, projections, monkeypatch):
    run(attention, 9)
    monkeypatch.setattr(attention_module, "is_captured", lambda _: True)
    run(attention, 9)
    run(attention, 12)
    monkeypatch.undo()
    assert projections == [9, 9, 12]
    assert attention._cached.num_frames == 9


@pytest.mark.parametrize("assign", [False, True])
def test_is_forgotten_when_weights_are_loaded(attention, build, assign):
    run(attention, 9)
    attention.load_state_dict(build().state_dict(), assign=assign)
    assert_true(attention)


def test_is_forgotten_after_an_optimizer_step(attention):
    optimizer = torch.optim.SGD(attention.parameters(), lr=1.0)
    for _ in range(2):
        run(attention, 9)
        attend(attention, torch.randn(2, 9, DIM))[0].square().sum().backward()
        optimizer.step()
        assert_true(attention)


def test_is_forgotten_after_training(attention):
    run(attention, 9)
    attention.train()
    attention.linear_pos.weight.data.neg_()
    attention.eval()
    assert_true(attention)


def test_is_forgotten_when_the_weight_is_written_to(attention):
    run(attention, 9)
    with torch.no_grad():
        attention.linear_pos.weight.mul_(-2.0)
    assert_true(attention)


def test_is_forgotten_when_the_weight_is_replaced(attention):
    for _ in range(20):  # a freed weight's address is soon taken again
        run(attention, 9)
        attention.linear_pos.weight = torch.nn.Parameter(torch.randn(DIM, DIM))
        assert_true(attention)


def test_is_forgotten_in_another_precision(attention):
    run(attention, 9)
    attention.double()
    assert_true(attention)
    attention.to(torch.bfloat16)
    assert_true(attention)
    attention.to(torch.float32)  # now rounded
    assert_true(attention)


def test_serves_training_after_inference_mode(attention):
    with torch.inference_mode():
        attend(attention, torch.randn(2, 9, DIM))
    assert_true(attention)
    frames = torch.randn(2, 9, DIM).requires_grad_()
    attend(attention, frames)[0].sum().backward()
    assert frames.grad.isfinite().all()
    attention.train()
    attend(attention, frames)[0].sum().backward()
    assert attention.linear_pos.weight.grad.abs().sum() > 0


def test_serves_inference_mode(attention, projections):
    with torch.inference_mode():
        frames = torch.randn(2, 9, DIM)
        torch.testing.assert_close(attend(attention, frames), attend(attention, frames))
    assert projections == [9]
    assert_true(attention)


def test_is_forgotten_for_weights_born_in_inference_mode(build):
    """Torch does not count writes to those."""
    with torch.inference_mode():
        attention = build()
        attend(attention, torch.randn(2, 9, DIM))
        attention.load_state_dict(build().state_dict())
        assert_true(attention)


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))],  # noqa: S301
)
def test_stays_with_the_original(attention, projections, copied):
    run(attention, 9)
    twin = copied(attention)
    with torch.no_grad():
        twin.linear_pos.weight.neg_()
    assert_true(twin)
    assert_true(attention)
    assert projections == [9] * 4  # the original, its twin, and a fresh one for each


def test_is_no_part_of_a_pickle(attention):
    size = len(pickle.dumps(attention))
    run(attention, 500)
    assert len(pickle.dumps(attention)) == size


def test_is_no_part_of_the_state_dict(attention):
    before = set(attention.state_dict())
    run(attention, 9)
    assert set(attention.state_dict()) == before
