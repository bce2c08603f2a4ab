"""Int8 maps: close to float ones, the same for a frame wherever it stands, and only for that."""

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn import int8_linear
from wav2vec2_conformer.nn.int8_linear import (
    Int8Linear,
    dequantize_weight,
    has_int8_products,
    quantize_frames,
    quantize_weight,
)


def needs_int8(test: Callable[..., None]) -> Callable[..., None]:
    skipped = pytest.mark.skipif(
        not has_int8_products(), reason="this processor has no int8 products"
    )
    return pytest.mark.may_skip(skipped(test))


def linear(in_dim: int = 64, out_dim: int = 96, *, bias: bool = True) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(in_dim, out_dim, bias=bias).requires_grad_(requires_grad=False)


def converted(float_map: nn.Linear) -> Int8Linear:
    return Int8Linear.from_float(float_map.weight, float_map.bias).eval()


@needs_int8
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("in_dim", "out_dim"), [(64, 96), (7, 5), (1, 3), (1024, 32)])
def test_it_is_close_to_the_float_map(in_dim: int, out_dim: int, bias: bool) -> None:
    float_map = linear(in_dim, out_dim, bias=bias)
    x = torch.randn(2, 9, in_dim)
    expected = float_map(x)
    error = (converted(float_map)(x) - expected).square().mean().sqrt()
    assert error < 0.02 * expected.square().mean().sqrt()


@needs_int8
def test_whole_numbers_are_multiplied_without_any_error() -> None:
    weight = torch.randint(-127, 128, (33, 500))
    x = torch.randint(-127, 128, (70, 500))
    x[:, 0] = 127  # so that the scale of each frame is 1
    int8_map = Int8Linear(weight.to(torch.int8), torch.ones(33))
    assert torch.equal(int8_map(x.float()).long(), x @ weight.T)


@needs_int8
@pytest.mark.parametrize("num_frames", [1, 3, 255, 257, 600])
def test_a_frame_does_not_depend_on_others(num_frames: int) -> None:
    int8_map = converted(linear())
    frames = torch.randn(num_frames, 64) * torch.logspace(-6, 6, num_frames)[:, None]
    together = int8_map(frames)
    for position in {0, num_frames // 2, num_frames - 1}:
        assert torch.equal(int8_map(frames[position]), together[position])


@needs_int8
def test_the_number_of_threads_changes_nothing() -> None:
    int8_map, frames = converted(linear()), torch.randn(700, 64)
    alone = int8_map(frames)
    torch.set_num_threads(2)
    try:
        assert torch.equal(int8_map(frames), alone)
    finally:
        torch.set_num_threads(1)


@needs_int8
def test_a_silent_frame_gives_the_bias() -> None:
    float_map = linear()
    assert torch.equal(converted(float_map)(torch.zeros(1, 64))[0], float_map.bias)


@needs_int8
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_stay_so_and_spoil_no_other_frame(value: float) -> None:
    int8_map, frames = converted(linear()), torch.randn(3, 64)
    expected = int8_map(frames)
    frames[1, 5] = value
    out = int8_map(frames)
    assert not out[1].isfinite().any()
    assert torch.equal(out[[0, 2]], expected[[0, 2]])


@needs_int8
def test_no_frames_give_no_frames() -> None:
    assert converted(linear())(torch.zeros(2, 0, 64)).shape == (2, 0, 96)


def test_rounding_twice_changes_nothing() -> None:
    weight = torch.randn(50, 64) * torch.logspace(-8, 3, 50)[:, None]
    weight[3] = 0.0
    levels, scale = quantize_weight(weight)
    again, same_scale = quantize_weight(dequantize_weight(levels, scale))
    assert torch.equal(levels, again)
    assert torch.equal(scale, same_scale)
    assert levels.abs().amax(1)[torch.arange(50) != 3].eq(127).all()


def test_weights_are_off_by_at_most_half_a_step() -> None:
    weight = torch.randn(50, 64)
    levels, scale = quantize_weight(weight)
    error = (dequantize_weight(levels, scale) - weight).abs()
    assert (error <= 0.5001 * scale[:, None]).all()


def test_frames_are_off_by_at_most_half_a_step() -> None:
    frames = torch.randn(20, 64)
    levels, scale = quantize_frames(frames)
    error = ((levels.float() - 128) * scale - frames).abs()
    assert (error <= 0.5001 * scale).all()
    assert levels.min() >= 1


@needs_int8
def test_copies_and_pickles_compute_the_same() -> None:
    int8_map, x = converted(linear()), torch.randn(4, 64)
    assert torch.equal(copy.deepcopy(int8_map)(x), int8_map(x))
    pickled = pickle.dumps(int8_map)
    assert torch.equal(pickle.loads(pickled)(x), int8_map(x))  # noqa: S301 - our own bytes


@needs_int8
def test_the_state_dict_brings_everything_back() -> None:
    int8_map, x = converted(linear()), torch.randn(4, 64)
    state = int8_map.state_dict()
    assert {name: value.dtype for name, value in state.items()} == {
        "weight": torch.int8,
        "weight_scale": torch.float32,
        "bias": torch.float32,
    }
    other = Int8Linear(torch.zeros(96, 64, dtype=torch.int8), torch.ones(96), torch.zeros(96))
    other.load_state_dict(state)
    assert torch.equal(other(x), int8_map(x))
    with pytest.raises(RuntimeError, match=r"must be int8 of shape \(96, 64\), but is float32"):
        other.load_state_dict({**state, "weight": torch.zeros(96, 64)})
    with pytest.raises(RuntimeError, match=r"Missing key.*weight"):
        other.load_state_dict({name: v for name, v in state.items() if name != "weight"})


@needs_int8
def test_it_takes_16_bits_and_gives_them_back() -> None:
    float_map, x = linear(), torch.randn(4, 64)
    int8_map = converted(float_map).to(torch.bfloat16)
    assert int8_map.weight_scale.dtype == torch.float32
    assert int8_map.weight.dtype == torch.bfloat16
    out = int8_map(x.bfloat16())
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), float_map(x), atol=0.05, rtol=0.05)


@needs_int8
def test_training_gradients_and_other_devices_are_refused() -> None:
    int8_map = converted(linear())
    with pytest.raises(InputError, match="cannot be trained"):
        int8_map.train()
    with pytest.raises(InputError, match="no gradients"):
        int8_map(torch.randn(2, 64, requires_grad=True))
    with pytest.raises(InputError, match="on the CPU only, and was to be moved to meta"):
        int8_map.to("meta")
    with torch.no_grad():
        int8_map(torch.randn(2, 64, requires_grad=True))


def test_processors_of_other_kinds_have_no_int8_products(monkeypatch: pytest.MonkeyPatch) -> None:
    has_int8_products.cache_clear()
    monkeypatch.setattr(int8_linear.platform, "machine", lambda: "aarch64")
    try:
        assert not has_int8_products()
    finally:
        has_int8_products.cache_clear()


def test_products_that_are_cut_off_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def saturating(_: Int8Linear, x: Tensor) -> Tensor:
        return torch.full((len(x), 64), 2.0**15 - 1)

    has_int8_products.cache_clear()
    monkeypatch.setattr(Int8Linear, "forward", saturating)
    try:
        assert not has_int8_products()
    finally:
        has_int8_products.cache_clear()
