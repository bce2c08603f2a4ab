"""Rung: the gradient of a loss with respect to every parameter."""

import pytest
import torch


def gradients(model, *inputs, **labels):
    model.zero_grad()
    model(*inputs, **labels).loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def assert_all_but(unused, found):
    """The parts that a loss does not use have no gradient, and all others one above zero."""
    without = {name for name, gradient in found.items() if gradient is None}
    assert without == {name for name in found if any(part in name for part in unused)}
    assert all(g.abs().max() > 0 for name, g in found.items() if name not in without)


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("is_padded", [False, True])
def test_ctc(build_pair, assert_equal, padded, no_dropout, positions, norm, is_padded):
    pair = build_pair(
        "ForCTC",
        position_embeddings_type=positions,
        feat_extract_norm=norm,
        conv_bias=norm == "layer",
        ctc_loss_reduction="mean",
        apply_spec_augment=False,
        exact_padding=not is_padded,
        **no_dropout,
    ).train()
    values, mask = padded
    labels = torch.randint(1, 12, (3, 6))
    ours, theirs = (
        gradients(model, values.clone(), mask if is_padded else None, labels=labels)
        for model in pair
    )
    assert_all_but(["pos_conv_embed", "masked_spec_embed"], ours)
    assert_equal(ours, theirs, tolerance=1e-4)


@pytest.mark.usefixtures("without_gumbel_noise")
@pytest.mark.parametrize("is_padded", [False, True])
def test_pretraining(
    build_pair, assert_equal, padded, drawn_masks, no_dropout, positions, is_padded
):
    pair = build_pair(
        "ForPreTraining",
        position_embeddings_type=positions,
        exact_padding=not is_padded,
        **no_dropout,
    ).train()
    values, mask = padded
    ours, theirs = (
        gradients(model, values.clone(), mask if is_padded else None, *drawn_masks)
        for model in pair
    )
    assert_all_but(["pos_conv_embed"], ours)
    # The loss is a sum over masked frames: its gradient is compared per masked frame.
    num_masked = int(drawn_masks[0].sum())
    ours, theirs = (
        {name: None if g is None else g / num_masked for name, g in found.items()}
        for found in (ours, theirs)
    )
    assert_equal(ours, theirs, tolerance=1e-4)


def test_checkpointing_changes_nothing(build_pair, assert_equal, padded, no_dropout, positions):
    pair = build_pair(
        "ForCTC", position_embeddings_type=positions, apply_spec_augment=False, **no_dropout
    ).train()
    labels = torch.randint(1, 12, (3, 6))
    kept = gradients(pair.ours, padded[0].clone(), labels=labels)
    pair.ours.activation_checkpointing_enable()
    body = pair.ours.wav2vec2_conformer
    assert body.encoder.gradient_checkpointing
    assert body.feature_extractor.gradient_checkpointing
    assert_equal(gradients(pair.ours, padded[0].clone(), labels=labels), kept, tolerance=1e-6)
