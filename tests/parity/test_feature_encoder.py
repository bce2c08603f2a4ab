"""Rung: the strided convolutions."""

import pytest
import torch

from wav2vec2_conformer.nn.feature_encoder import BLOCK_FRAMES


@pytest.mark.parametrize("conv_bias", [False, True])
@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("num_samples", [30, 49, 50, 817])
def test_feature_encoder(build_pair, assert_equal, waveforms, norm, conv_bias, num_samples):
    pair = build_pair(feat_extract_norm=norm, conv_bias=conv_bias)
    values = waveforms(41)[:, :num_samples]
    theirs = pair.theirs.feature_extractor(values).transpose(1, 2)
    assert_equal(pair.ours.feature_extractor(values), theirs)


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_long_clip_without_gradient(build_pair, assert_equal, waveforms, norm):
    """Ours then works in blocks."""
    num_frames = 2 * BLOCK_FRAMES + 40
    pair, values = build_pair(feat_extract_norm=norm), waveforms(num_frames)
    with torch.no_grad():
        ours = pair.ours.feature_extractor(values)
        assert_equal(ours, pair.theirs.feature_extractor(values).transpose(1, 2))
    assert ours.shape[1] == num_frames


@pytest.mark.parametrize("activation", ["gelu", "relu", "gelu_new"])
def test_activation(build_pair, assert_equal, waveforms, activation):
    pair = build_pair(feat_extract_activation=activation)
    values = waveforms()
    theirs = pair.theirs.feature_extractor(values).transpose(1, 2)
    assert_equal(pair.ours.feature_extractor(values), theirs)


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_front_end_of_the_released_models(build_pair, assert_equal, norm):
    pair = build_pair(
        feat_extract_norm=norm,
        conv_bias=norm == "layer",
        conv_dim=(8,) * 7,
        conv_kernel=(10, 3, 3, 3, 3, 2, 2),
        conv_stride=(5, 2, 2, 2, 2, 2, 2),
    )
    values = torch.randn(2, 400 + 320 * 6 + 319)
    ours = pair.ours.feature_extractor(values)
    assert ours.shape == (2, 7, 8)
    assert_equal(ours, pair.theirs.feature_extractor(values).transpose(1, 2))
