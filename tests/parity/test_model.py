"""Rung: the bare model, from waveforms to frames."""

import pytest
import torch


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("num_frames", [1, 41, 300])
def test_model(build_pair, assert_equal_outputs, waveforms, positions, norm, num_frames):
    pair = build_pair(position_embeddings_type=positions, feat_extract_norm=norm)
    assert_equal_outputs(*pair(waveforms(num_frames)))


def test_model_without_gradient(build_pair, assert_equal_outputs, waveforms, positions):
    """Ours then encodes in blocks, hides padding in place and keeps projected positions."""
    pair = build_pair(position_embeddings_type=positions, feat_extract_norm="layer")
    with torch.inference_mode():
        for num_frames in (300, 41, 300):
            assert_equal_outputs(*pair(waveforms(num_frames)))


def test_configuration_of_the_released_models(build_pair, assert_equal_outputs, positions):
    pair = build_pair(
        position_embeddings_type=positions,
        hidden_act="swish",
        feat_extract_norm="layer",
        conv_bias=True,
        conv_dim=(8,) * 7,
        conv_kernel=(10, 3, 3, 3, 3, 2, 2),
        conv_stride=(5, 2, 2, 2, 2, 2, 2),
        conv_depthwise_kernel_size=31,
    )
    assert_equal_outputs(*pair(torch.randn(2, 16_000)))


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_padding_that_leaks(build_pair, assert_equal_outputs, padded, positions, norm):
    """All frames are compared, padded ones too."""
    pair = build_pair(
        position_embeddings_type=positions, feat_extract_norm=norm, exact_padding=False
    )
    assert_equal_outputs(*pair(*padded, output_hidden_states=False))


def test_exact_padding_differs(build_pair, padded):
    """The switch has an effect: where the reference's padding leaks, ours does not."""
    pair = build_pair()
    ours, theirs = pair(*padded)
    assert (ours.last_hidden_state - theirs.last_hidden_state)[1, :20].abs().max() > 1e-2


def test_mask_without_padding(build_pair, assert_equal_outputs, waveforms, positions):
    pair = build_pair(position_embeddings_type=positions)
    values = waveforms()
    assert_equal_outputs(*pair(values, torch.ones(values.shape, dtype=torch.long)))


@pytest.mark.parametrize("training", [False, True])
def test_given_masked_frames(build_pair, assert_equal_outputs, waveforms, no_dropout, training):
    pair = build_pair(**no_dropout)
    if training:
        pair.train()
    values, mask = waveforms(), torch.rand(2, 41) < 0.4
    ours, theirs = pair(values, None, mask)
    assert_equal_outputs(ours, theirs)
    unmasked = pair.ours(values, None, torch.zeros_like(mask)).last_hidden_state
    assert (ours.last_hidden_state - unmasked).abs().max() > 0.1


def test_tuple(build_pair, assert_equal, waveforms):
    pair = build_pair()
    ours, theirs = pair(waveforms(), return_dict=False)
    assert_equal(ours, theirs)


def test_frame_mask(build_pair):
    pair = build_pair()
    mask = (torch.arange(1_000) < torch.tensor([30, 49, 50, 600, 1_000])[:, None]).long()
    num_frames = int(pair.theirs._get_feat_extract_output_lengths(1_000))
    ours, theirs = (m._get_feature_vector_attention_mask(num_frames, mask) for m in pair)
    assert torch.equal(ours, theirs)
    assert ours.sum(1).tolist() == [1, 1, 2, 29, num_frames]
