"""Rung: the table of relative positions, and rotation angles."""

import pytest
import torch

from wav2vec2_conformer.nn.positions import relative_position_table, rotate


@pytest.mark.parametrize("num_frames", [1, 2, 41, 64, 65, 300])
def test_relative_position_table(build_pair, assert_equal, num_frames):
    pair = build_pair(position_embeddings_type="relative")
    theirs = pair.theirs.encoder.embed_positions(torch.zeros(1, num_frames, 32))
    ours = relative_position_table(num_frames, 32, torch.device("cpu"))
    # Sines of angles as large as the number of frames: the angle's own rounding shows.
    assert_equal(ours, theirs[0], tolerance=1e-7 * max(100, num_frames))


@pytest.mark.parametrize("num_frames", [1, 41, 300])
@pytest.mark.parametrize("base", [10_000, 50])
def test_rotation(build_pair, assert_equal, num_frames, base):
    pair = build_pair(position_embeddings_type="rotary", rotary_embedding_base=base)
    frames = torch.randn(2, num_frames, 32)
    embeddings = pair.theirs.encoder.embed_positions(frames)
    assert_equal(
        pair.ours.encoder.embed_positions.frequencies(),
        pair.theirs.encoder.embed_positions.inv_freq,
    )
    cos, sin = pair.ours.encoder.embed_positions(num_frames)
    assert_equal(cos, embeddings[0, :, 0, 0])
    assert_equal(sin, embeddings[1, :, 0, 0])
    theirs = pair.theirs.encoder.layers[0].self_attn._apply_rotary_embedding(frames, embeddings)
    assert_equal(rotate(frames, cos, sin), theirs)
