"""What the model must not compute or keep: checked on tensor sizes and calls, not on clocks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from wav2vec2_conformer import _sample_negative_indices
from wav2vec2_conformer.nn.attention import QUERY_BLOCK_FRAMES, SelfAttention
from wav2vec2_conformer.nn.contrastive import compare_with_distractors
from wav2vec2_conformer.nn.feed_forward import WIDENED_ELEMENTS, FeedForward
from wav2vec2_conformer.nn.head_scores import QUERY_ROWS, SCORE_ELEMENTS

from .conftest import Build


class Largest(TorchDispatchMode):
    """Record the largest tensor that any operation makes."""

    num_elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                # what is stored, not what a strided view shows of it
                stored = tensor.untyped_storage().nbytes() // tensor.element_size()
                self.num_elements = max(self.num_elements, stored)
        return out


@contextmanager
def counted(name: str) -> Iterator[mock.MagicMock]:
    original = getattr(SelfAttention, name)
    with mock.patch.object(SelfAttention, name, autospec=True, side_effect=original) as spy:
        yield spy


def test_relative_attention_never_holds_scores_of_all_pairs() -> None:
    num_frames, heads = 1_600, 8
    attention = SelfAttention(16, heads, positions="relative").eval()
    frames, table = torch.randn(1, num_frames, 16), torch.randn(2 * num_frames - 1, 16)
    with torch.no_grad(), Largest() as largest:
        attention(frames, table)
    one_head = QUERY_ROWS * (num_frames + QUERY_ROWS)
    assert largest.num_elements <= torch.get_num_threads() * max(SCORE_ELEMENTS, one_head)
    with Largest() as largest:  # with a gradient, blocks of queries of all heads
        attention(frames, table)
    assert largest.num_elements <= heads * QUERY_BLOCK_FRAMES * (num_frames + QUERY_BLOCK_FRAMES)
    assert largest.num_elements < heads * num_frames * num_frames / 4


@pytest.mark.parametrize("positions", ["relative", "rotary", None])
def test_padding_is_not_computed(build: Build, positions: str | None) -> None:
    """Of a second and a tenth of one, in each linear map of each block."""
    model = build(position_embeddings_type=positions)
    mask = torch.zeros(2, 16_000, dtype=torch.long)
    mask[0], mask[1, :1_600] = 1, 1
    frames = []
    for name, module in model.encoder.layers.named_modules():
        if isinstance(module, torch.nn.Linear) and not name.endswith("linear_pos"):
            module.register_forward_pre_hook(lambda _, args: frames.append(args[0][..., 0].numel()))
    with torch.no_grad():
        model(torch.randn(2, 16_000), mask)
    assert set(frames) == {49 + 4}
    assert len(frames) == 2 * 8  # two blocks: four of feed-forwards, four of attention


def test_evaluation_transposes_no_frames(build: Build) -> None:
    """The batch norm is no operation of its own either."""
    model = build("Model", feat_extract_norm="layer")
    with torch.no_grad(), torch.profiler.profile() as profile:
        model.encoder(torch.randn(1, 60, 16))
    called = {event.key for event in profile.key_averages()}
    assert "aten::mkldnn_convolution" in called or "aten::convolution" in called
    assert not {"aten::native_batch_norm", "aten::conv1d"} & called


@pytest.mark.parametrize("num_frames", [400, 4_000])
def test_widened_frames_are_bounded(num_frames: int) -> None:
    module = FeedForward(4, 8_192, activation=torch.nn.functional.silu).eval()
    with torch.no_grad(), Largest() as largest:
        module(torch.randn(1, num_frames, 4))
    assert largest.num_elements <= min(num_frames * 8_192, WIDENED_ELEMENTS)


def test_positions_are_projected_once_for_all_shorter_lengths(build: Build) -> None:
    model = build(position_embeddings_type="relative")
    with counted("_project_table") as projections, torch.inference_mode():
        for num_samples in (16_000, 16_000, 8_000, 12_345):
            model(torch.randn(1, num_samples))
        assert projections.call_count == 2  # one per block
        model(torch.randn(1, 20_000))
        assert projections.call_count == 4


def test_hidden_states_are_kept_only_when_asked_for(build: Build) -> None:
    model = build("ForSequenceClassification", use_weighted_layer_sum=True)
    with torch.no_grad():
        assert model(torch.randn(1, 8_000)).hidden_states is None
        assert len(model(torch.randn(1, 8_000), output_hidden_states=True).hidden_states) == 3


@pytest.mark.parametrize("training", [False, True])
def test_quantizer_picks_rows_instead_of_multiplying_all(build: Build, training: bool) -> None:
    changes = {"num_codevectors_per_group": 64, "codevector_dim": 64, "num_codevector_groups": 2}
    quantizer = build("ForPreTraining", **changes).quantizer.train(training)
    with torch.no_grad(), Largest() as largest:
        quantizer(torch.randn(2, 50, 8))
    assert largest.num_elements <= max(2 * 50 * 2 * 64, 128 * 32)


def test_contrastive_loss_never_copies_distractors() -> None:
    negatives_per_frame, dim = 100, 64
    frames = 99
    mask = torch.zeros(1, frames, dtype=torch.bool)
    mask[:, 10:40] = True
    negatives = torch.tensor(_sample_negative_indices((1, frames), negatives_per_frame, mask))
    negatives = negatives.long()
    predictions, targets = torch.randn(1, frames, dim), torch.randn(1, frames, dim)
    codes = torch.randint(0, 32, (1, frames, 2))
    with torch.no_grad(), Largest() as largest:
        compare_with_distractors(predictions, targets, codes, mask, negatives)
    assert largest.num_elements <= frames * (negatives_per_frame + 1)
    assert largest.num_elements < 30 * negatives_per_frame * dim


def test_long_clips_are_encoded_in_blocks(build: Build) -> None:
    model = build(feat_extract_norm="layer")
    waveform = torch.randn(1, 60 * 16_000)
    with torch.no_grad():
        with Largest() as largest:
            blocks = model.feature_extractor(waveform)
        assert largest.num_elements <= waveform.numel()
        whole = model.feature_extractor._encode(waveform, None)
    # a layer norm of few channels makes much of the last bit of a sum
    torch.testing.assert_close(blocks, whole, atol=1e-4, rtol=1e-4)


def test_nothing_is_allocated_for_positions_that_were_not_seen(build: Build) -> None:
    """A table for 5000 positions would be the largest tensor of this model by far."""
    model = build(position_embeddings_type="relative", max_source_positions=5_000)
    tensors = [*model.parameters(), *model.buffers()]
    assert max(tensor.numel() for tensor in tensors) < 5_000
