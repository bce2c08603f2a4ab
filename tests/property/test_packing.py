"""Batches of any lengths: computing valid frames alone gives what each utterance gives alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import wav2vec2_conformer as package
from wav2vec2_conformer.nn import packing

TOLERANCE = 1e-5
SHORTEST, LONGEST = 100, 12_000  # samples; the first makes no frame


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(head: str = "ForCTC", **changes: object) -> torch.nn.Module:
    torch.manual_seed(0)
    settings = {
        "vocab_size": 12,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 20,
        "conv_dim": [8] * 7,
        "conv_depthwise_kernel_size": 5,
        "num_conv_pos_embeddings": 4,
        **changes,
    }
    model = getattr(package, f"Wav2Vec2Conformer{head}")(
        package.Wav2Vec2ConformerConfig(**settings)
    ).eval()
    for name, buffer in model.named_buffers():
        if "running_mean" in name:
            buffer.normal_()
        elif "running_var" in name:
            buffer.uniform_(0.5, 2.0)
    return model


def batch_of(lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    generator = torch.Generator().manual_seed(sum(lengths))
    return torch.randn(mask.shape, generator=generator) * mask, mask


@contextmanager
def never_packed() -> Iterator[None]:
    with mock.patch.object(packing, "MIN_PADDED_SHARE", 2.0):
        yield


@contextmanager
def always_packed() -> Iterator[None]:
    with mock.patch.object(packing, "MIN_PADDED_SHARE", 0.0):
        yield


MODELS = {
    (positions, norm): build(position_embeddings_type=positions, feat_extract_norm=norm)
    for positions in ("relative", "rotary", None)
    for norm in ("group", "layer")
}
LENGTHS = st.lists(st.integers(SHORTEST, LONGEST), min_size=1, max_size=5).filter(
    lambda lengths: max(lengths) >= 400
)


@pytest.mark.parametrize(("positions", "norm"), MODELS, ids=str)
@settings(max_examples=15, deadline=None)
@given(lengths=LENGTHS)
def test_packed_equals_padded_and_single(
    positions: str | None, norm: str, lengths: list[int]
) -> None:
    model = MODELS[positions, norm]
    batch, mask = batch_of(lengths)
    with torch.inference_mode():
        with always_packed():
            packed = model(batch, mask).logits
        with never_packed():
            padded = model(batch, mask).logits
        assert packed.shape == padded.shape
        assert packed.isfinite().all()
        for row, length in enumerate(lengths):
            count = int(model._get_feat_extract_output_lengths(length))
            if count == 0:
                continue
            with never_packed():
                alone = model(batch[row : row + 1, :length]).logits[0]
            for expected in (padded[row, :count], alone):
                torch.testing.assert_close(packed[row, :count], expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("positions", ["relative", "rotary", None])
def test_adapter_after_packed_frames(positions: str | None) -> None:
    model = build(position_embeddings_type=positions, add_adapter=True)
    lengths = [16_000, 9_137, 4_001, 300]
    batch, mask = batch_of(lengths)
    with torch.no_grad():
        packed = model(batch, mask).logits
        with never_packed():
            padded = model(batch, mask).logits
    for row, length in enumerate(lengths):
        count = int(model._get_feat_extract_output_lengths(length))
        torch.testing.assert_close(packed[row, :count], padded[row, :count], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("head", ["ForSequenceClassification", "ForXVector"])
def test_weighted_layer_sum_of_packed_frames(head: str) -> None:
    model = build(head, use_weighted_layer_sum=True)
    batch, mask = batch_of([16_000, 9_137, 6_001])
    with torch.no_grad():
        packed = model(batch, mask).logits
        with never_packed():
            padded = model(batch, mask).logits
    torch.testing.assert_close(packed, padded, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("asked", ["output_hidden_states", "output_attentions"])
def test_what_shows_every_block_is_padded(asked: str) -> None:
    model = build("Model")
    batch, mask = batch_of([16_000, 4_001])
    with torch.no_grad():
        found = model(batch, mask, **{asked: True})
        plain = model(batch, mask).last_hidden_state
    states = found.hidden_states if asked == "output_hidden_states" else found.attentions
    assert all(len(state) == 2 for state in states)
    count = int(model._get_feat_extract_output_lengths(4_001))
    shown = found.last_hidden_state
    for row, frames in enumerate((49, count)):
        torch.testing.assert_close(shown[row, :frames], plain[row, :frames], atol=TOLERANCE, rtol=0)


def test_padded_frames_are_zero() -> None:
    model = build("Model")
    batch, mask = batch_of([16_000, 4_001])
    count = int(model._get_feat_extract_output_lengths(4_001))
    with torch.no_grad():
        out = model(batch, mask).last_hidden_state
    assert out[1, count:].abs().max() == 0.0
    assert out[1, :count].abs().amin(dim=1).max() > 0.0


def test_a_gap_in_the_encoders_mask_is_not_packed_away() -> None:
    """Positions count from the first frame, also over frames that are not looked at."""
    encoder = build("Model", position_embeddings_type="rotary").encoder
    frames = torch.randn(1, 12, 16)
    mask = torch.ones(1, 12, dtype=torch.bool)
    mask[:, 3:6] = False
    with torch.no_grad():
        with always_packed():
            found = encoder(frames, mask).last_hidden_state
        with never_packed():
            expected = encoder(frames, mask).last_hidden_state
    torch.testing.assert_close(found, expected, atol=0, rtol=0)


def test_gradients_are_of_the_padded_batch() -> None:
    model = build()
    batch, mask = batch_of([8_000, 4_001])
    with mock.patch.object(torch.Tensor, "split", side_effect=AssertionError("packed")):
        model(batch, mask, labels=torch.tensor([[3, 4], [5, -100]])).loss.backward()
    assert model.lm_head.weight.grad.abs().sum() > 0
