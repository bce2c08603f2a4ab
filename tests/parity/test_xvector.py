"""Rung: the head that embeds a speaker."""

import pytest
import torch

LABELS = torch.tensor([3, 0, 2])


def test_embeddings_and_loss(build_pair, assert_equal_outputs, waveforms, positions):
    pair = build_pair("ForXVector", position_embeddings_type=positions)
    assert_equal_outputs(*pair(waveforms(batch_size=3), labels=LABELS))


def test_padded_batch(build_pair, assert_equal_outputs, padded, positions):
    """Where padding leaks, the reference also forgets the dilation in its lengths."""
    pair = build_pair("ForXVector", position_embeddings_type=positions, exact_padding=False)
    assert_equal_outputs(*pair(*padded, labels=LABELS))


@pytest.mark.parametrize("output_size", [None, 32])
def test_adapter(build_pair, assert_equal_outputs, waveforms, output_size):
    """The reference crashes with any other output size."""
    pair = build_pair(
        "ForXVector", add_adapter=True, num_adapter_layers=1, output_hidden_size=output_size
    )
    assert_equal_outputs(*pair(waveforms(batch_size=3), labels=LABELS))


@pytest.mark.parametrize("kernels", [(5, 3, 1), (1, 1, 1), (3, 2, 4)])
@pytest.mark.parametrize("dilations", [(1, 1, 1), (1, 2, 3)])
def test_time_delay_layers(build_pair, assert_equal, kernels, dilations):
    pair = build_pair("ForXVector", tdnn_kernel=kernels, tdnn_dilation=dilations)
    ours = theirs = torch.randn(2, 41, 8)
    for our_layer, their_layer in zip(pair.ours.tdnn, pair.theirs.tdnn, strict=True):
        ours, theirs = our_layer(ours), their_layer(theirs)
        assert_equal(ours, theirs)
    assert pair.ours._get_tdnn_output_lengths(41) == ours.shape[1]


def test_weighted_layer_sum(build_pair, weighted_states, assert_equal, waveforms, positions):
    values = waveforms()
    ours, theirs = build_pair(
        "ForXVector", position_embeddings_type=positions, use_weighted_layer_sum=True
    )
    frames = theirs.projector(weighted_states(theirs, values))
    for layer in theirs.tdnn:
        frames = layer(frames)
    pooled = torch.cat((frames.mean(1), frames.std(1)), dim=1)
    out, embeddings = ours(values), theirs.feature_extractor(pooled)
    assert_equal(out.embeddings, embeddings)
    assert_equal(out.logits, theirs.classifier(embeddings))
