"""Rung: names, order and shapes of all weights."""

import pytest
import torch


def shapes(model):
    return [(name, tuple(value.shape)) for name, value in model.state_dict().items()]


def test_heads(build_pair, head, positions):
    ours, theirs = build_pair(head, position_embeddings_type=positions)
    assert shapes(ours) == shapes(theirs)


@pytest.mark.parametrize(
    ("head", "changes"),
    [
        ("Model", {"feat_extract_norm": "layer"}),
        ("Model", {"conv_bias": True}),
        ("Model", {"add_adapter": True}),
        ("ForCTC", {"add_adapter": True, "output_hidden_size": 20}),
        ("ForXVector", {"add_adapter": True}),
        ("ForSequenceClassification", {"use_weighted_layer_sum": True}),
        ("ForAudioFrameClassification", {"use_weighted_layer_sum": True}),
        ("ForXVector", {"use_weighted_layer_sum": True}),
        ("Model", {"num_hidden_layers": 0}),
    ],
    ids=str,
)
def test_options(build_pair, head, changes):
    ours, theirs = build_pair(head, **changes)
    assert shapes(ours) == shapes(theirs)


def test_mask_embedding_is_always_there(build_pair):
    ours, theirs = build_pair(mask_time_prob=0.0, mask_feature_prob=0.0)
    assert [("masked_spec_embed", (32,)), *shapes(theirs)] == shapes(ours)


def test_types(build_pair, head):
    ours, theirs = (
        {name: value.dtype for name, value in model.state_dict().items()}
        for model in build_pair(head, position_embeddings_type="rotary")
    )
    assert ours == theirs
    assert set(ours.values()) == {torch.float32, torch.int64}
