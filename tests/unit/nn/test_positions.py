"""Relative sinusoids and rotation angles."""

import math

import numpy as np
import pytest
import torch

from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerModel
from wav2vec2_conformer.nn.positions import RotaryPositions, relative_position_table, rotate

CPU = torch.device("cpu")


def test_table_by_its_definition():
    table = relative_position_table(4, 6, CPU)
    assert table.shape == (7, 6)
    for row, position in enumerate([3, 2, 1, 0, -1, -2, -3]):
        for pair in range(3):
            angle = position / 10_000 ** (2 * pair / 6)
            assert table[row, 2 * pair].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[row, 2 * pair + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_shorter_table_is_the_middle_of_a_longer_one():
    longer = relative_position_table(50, 8, CPU)
    torch.testing.assert_close(relative_position_table(20, 8, CPU), longer[30:-30])


def test_table_is_on_the_device_asked_for():
    assert relative_position_table(3, 4, torch.device("meta")).device.type == "meta"


def test_table_is_float32_whatever_the_default():
    torch.set_default_dtype(torch.float64)
    try:
        table = relative_position_table(3, 4, CPU)
    finally:
        torch.set_default_dtype(torch.float32)
    assert table.dtype == torch.float32


def exact_angles(num_frames, head_dim, base=10_000.0):
    frequencies = base ** (-np.arange(0, head_dim, 2) / head_dim)
    return np.tile(np.arange(num_frames)[:, None] * frequencies, 2)


def assert_exact(rotary, num_frames=1_500, base=10_000.0):
    """Angles of later frames have no meaning in 16 bits: cosines are wrong by up to 2 there."""
    assert rotary.inv_freq.dtype == torch.float32
    cos, sin = rotary(num_frames)
    assert cos.dtype == sin.dtype == torch.float32
    angles = exact_angles(num_frames, rotary.head_dim, base)
    np.testing.assert_allclose(cos.numpy(), np.cos(angles), atol=1e-3)
    np.testing.assert_allclose(sin.numpy(), np.sin(angles), atol=1e-3)


@pytest.mark.parametrize("base", [10_000.0, 50.0])
def test_angles_by_their_definition(base):
    assert_exact(RotaryPositions(8, base), base=base)


@pytest.mark.parametrize(
    "cast",
    [
        lambda module: module.half(),
        lambda module: module.bfloat16(),
        lambda module: module.double(),
        lambda module: module.to(torch.bfloat16),
        lambda module: module.to("cpu", torch.float16),
        lambda module: module.to(torch.bfloat16).to(torch.float32),
    ],
    ids=["half", "bfloat16", "double", "to", "to with device", "there and back"],
)
def test_angles_stay_exact_when_the_module_is_cast(cast):
    rotary = RotaryPositions(8)
    assert cast(rotary) is rotary
    assert_exact(rotary)
    assert_exact(cast(torch.nn.Sequential(RotaryPositions(8)))[0])


def test_angles_stay_exact_under_autocast():
    rotary = RotaryPositions(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_exact(rotary)


def test_frequencies_follow_the_module_to_another_device():
    rotary = RotaryPositions(8).to("meta", torch.bfloat16)
    assert rotary.inv_freq.device.type == "meta"
    assert rotary.inv_freq.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_angles_stay_exact_when_loaded_in_half_precision(tiny_config_kwargs, tmp_path, dtype):
    config = Wav2Vec2ConformerConfig(**tiny_config_kwargs, position_embeddings_type="rotary")
    Wav2Vec2ConformerModel(config).save_pretrained(tmp_path)
    model = Wav2Vec2ConformerModel.from_pretrained(tmp_path, dtype=dtype)
    assert model.dtype == dtype
    assert_exact(model.encoder.embed_positions)
    model.save_pretrained(tmp_path / "again")
    again = Wav2Vec2ConformerModel.from_pretrained(tmp_path / "again")
    assert again.dtype == dtype
    assert_exact(again.encoder.embed_positions)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_angles_are_exact_when_the_file_holds_rounded_frequencies(dtype):
    """The reference casts its frequencies with the weights before it saves them."""
    rotary = RotaryPositions(8)
    rotary.load_state_dict({"inv_freq": rotary.frequencies().to(dtype)})
    assert_exact(rotary)


def test_rotation_by_its_definition():
    """Channel k and channel k + K/2 are a point in the plane, turned by the frame's angle."""
    frames = torch.randn(2, 5, 12)  # 3 heads of 4
    found = rotate(frames, *RotaryPositions(4)(5)).numpy()
    angles = exact_angles(5, 4)
    for head in range(3):
        for k in range(2):
            one, two = 4 * head + k, 4 * head + k + 2
            points = frames[:, :, one].numpy() + 1j * frames[:, :, two].numpy()
            turned = points * np.exp(1j * angles[:, k])
            np.testing.assert_allclose(found[:, :, one], turned.real, atol=1e-5)
            np.testing.assert_allclose(found[:, :, two], turned.imag, atol=1e-5)


def test_rotation_keeps_the_type_of_its_input():
    cos, sin = RotaryPositions(4)(5)
    assert rotate(torch.randn(2, 5, 12).bfloat16(), cos, sin).dtype == torch.bfloat16


def test_inner_products_of_rotated_frames_depend_on_distance_alone():
    cos, sin = RotaryPositions(8)(40)
    one, two = (rotate(torch.randn(8).expand(1, 40, 8), cos, sin)[0] for _ in range(2))
    products = one @ two.T
    torch.testing.assert_close(products[:-7, :-7], products[7:, 7:], atol=1e-4, rtol=1e-4)
    assert products.diagonal().std() < 1e-4 < products[0].std()
