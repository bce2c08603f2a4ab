"""Rung: the forward pass in training, with all that is random switched off."""

import pytest


@pytest.mark.usefixtures("without_gumbel_noise")
@pytest.mark.parametrize("is_padded", [False, True])
def test_outputs(build_pair, assert_equal_outputs, padded, no_dropout, head, positions, is_padded):
    pair = build_pair(
        head,
        position_embeddings_type=positions,
        mask_time_prob=0.0,
        mask_feature_prob=0.0,
        exact_padding=not is_padded,
        **no_dropout,
    ).train()
    values, mask = padded
    assert_equal_outputs(*pair(values, mask if is_padded else None))


def test_running_statistics_after_a_step(build_pair, assert_equal, padded, no_dropout, positions):
    """Of each block: the second one's input depends on all of the first."""
    pair = build_pair(
        position_embeddings_type=positions, apply_spec_augment=False, **no_dropout
    ).train()
    before, _ = statistics(pair.ours), pair(padded[0])
    ours = statistics(pair.ours)
    assert_equal(ours, statistics(pair.theirs))
    assert len(ours) == 6
    for name, value in ours.items():
        assert (value - before[name]).abs().max() > 1e-3


def test_mode_comes_back(build_pair, assert_equal_outputs, padded, no_dropout, positions):
    """Evaluation uses the statistics of the training step."""
    pair = build_pair(position_embeddings_type=positions, apply_spec_augment=False, **no_dropout)
    before = pair.ours(padded[0]).last_hidden_state
    pair.train()
    pair(padded[0])
    pair.train(mode=False)
    ours, theirs = pair(padded[0])
    assert_equal_outputs(ours, theirs)
    assert (ours.last_hidden_state - before).abs().max() > 1e-3


def statistics(model):
    return {name: buffer.clone() for name, buffer in model.named_buffers() if "batch_norm" in name}
