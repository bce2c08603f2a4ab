"""Rung: the adapter and the lengths it leaves."""

import pytest
import torch


@pytest.mark.parametrize("output_size", [32, 20])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_adapter(build_pair, assert_equal, output_size, num_layers, kernel_size, stride):
    pair = build_pair(
        add_adapter=True,
        output_hidden_size=output_size,
        num_adapter_layers=num_layers,
        adapter_kernel_size=kernel_size,
        adapter_stride=stride,
    )
    frames = torch.randn(2, 41, 32)
    ours = pair.ours.adapter(frames)
    assert_equal(ours, pair.theirs.adapter(frames))
    assert pair.ours.adapter.output_lengths(torch.tensor(41)) == ours.shape[1]


@pytest.mark.parametrize("output_size", [None, 20])
def test_model_with_adapter(build_pair, assert_equal, positions, waveforms, output_size):
    pair = build_pair(
        position_embeddings_type=positions, add_adapter=True, output_hidden_size=output_size
    )
    ours, theirs = pair(waveforms())
    assert_equal(ours.last_hidden_state, theirs.last_hidden_state)
    assert_equal(ours.extract_features, theirs.extract_features)


@pytest.mark.parametrize("num_samples", [30, 69, 70, 513, 3_000])
def test_frame_counts(build_pair, num_samples):
    pair = build_pair(add_adapter=True)
    samples = torch.tensor([num_samples, 30])
    for add_adapter in (None, False, True):
        ours, theirs = (m._get_feat_extract_output_lengths(samples, add_adapter) for m in pair)
        torch.testing.assert_close(ours, theirs)
