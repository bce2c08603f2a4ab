"""Rung: the stack of blocks and its hidden states."""

import pytest
import torch


@pytest.mark.parametrize("num_frames", [1, 41, 300])
def test_encoder(build_pair, assert_equal, positions, num_frames):
    pair = build_pair(position_embeddings_type=positions)
    frames = torch.randn(2, num_frames, 32)
    ours = pair.ours.encoder(frames).last_hidden_state
    assert_equal(ours, pair.theirs.encoder(frames).last_hidden_state)


@pytest.mark.parametrize("num_layers", [0, 1])
def test_depth(build_pair, assert_equal, positions, num_layers):
    pair = build_pair(position_embeddings_type=positions, num_hidden_layers=num_layers)
    frames = torch.randn(2, 41, 32)
    ours = pair.ours.encoder(frames).last_hidden_state
    assert_equal(ours, pair.theirs.encoder(frames).last_hidden_state)


def test_encoder_with_padding_that_leaks(build_pair, assert_equal, positions):
    pair = build_pair(position_embeddings_type=positions, exact_padding=False)
    frames = torch.randn(2, 41, 32)
    mask = torch.ones(2, 41, dtype=torch.bool)
    mask[0, 25:] = False
    ours = pair.ours.encoder(frames, mask).last_hidden_state
    assert_equal(ours, pair.theirs.encoder(frames.clone(), mask).last_hidden_state)


def test_norm_has_the_configured_epsilon(build_pair, assert_equal):
    pair = build_pair(layer_norm_eps=0.5)
    frames = torch.randn(2, 41, 32)
    ours = pair.ours.encoder(frames).last_hidden_state
    assert_equal(ours, pair.theirs.encoder(frames).last_hidden_state)


def test_hidden_states(build_pair, assert_equal, positions, waveforms):
    pair = build_pair(position_embeddings_type=positions, num_hidden_layers=3)
    ours, theirs = pair(waveforms(), output_hidden_states=True)
    assert len(ours.hidden_states) == 4
    assert_equal(ours.hidden_states[:-1], tuple(theirs.hidden_states[:-1]))
    # Ours is the specification's (4.x): after the encoder's norm. In 5.x it is before.
    assert_equal(ours.hidden_states[-1], theirs.last_hidden_state)
    before_norm = theirs.hidden_states[-1]
    assert_equal(ours.hidden_states[-1], pair.theirs.encoder.layer_norm(before_norm))


def test_attentions(build_pair, assert_equal, positions, waveforms):
    pair = build_pair(position_embeddings_type=positions, attn_implementation="eager")
    ours, theirs = pair(waveforms(), output_attentions=True)
    assert len(ours.attentions) == 2
    assert_equal(ours.attentions, tuple(theirs.attentions))
    assert_equal(ours.last_hidden_state, theirs.last_hidden_state)


def test_attentions_do_not_need_an_eager_model(build_pair, assert_equal, positions, waveforms):
    pair = build_pair(position_embeddings_type=positions)
    values = waveforms()
    ours = pair.ours(values, output_attentions=True).attentions
    pair.theirs.set_attn_implementation("eager")
    assert_equal(ours, tuple(pair.theirs(values, output_attentions=True).attentions))
