"""An utterance gives the same output alone and in any padded batch."""

import pytest
import torch

from .conftest import POSITIONS, Build

TOLERANCE = 1e-5


@pytest.mark.parametrize("position_embeddings_type", POSITIONS)
@pytest.mark.parametrize("feat_extract_norm", ["group", "layer"])
@pytest.mark.parametrize("add_adapter", [False, True])
def test_batched_equals_single(
    build: Build, padded, position_embeddings_type, feat_extract_norm, add_adapter
) -> None:
    model = build(
        "ForCTC",
        position_embeddings_type=position_embeddings_type,
        feat_extract_norm=feat_extract_norm,
        add_adapter=add_adapter,
    )
    batch, mask, lengths = padded
    with torch.no_grad():
        together = model(batch, mask).logits
        for row, length in enumerate(lengths):
            alone = model(batch[row : row + 1, :length]).logits[0]
            assert model._get_feat_extract_output_lengths(length) == len(alone)
            difference = (together[row, : len(alone)] - alone).abs().max()
            assert difference <= TOLERANCE


@pytest.mark.parametrize("head", ["ForSequenceClassification", "ForXVector"])
@pytest.mark.parametrize("use_weighted_layer_sum", [False, True])
def test_batched_equals_single_for_pooled_heads(
    build: Build, padded, head, use_weighted_layer_sum
) -> None:
    model = build(head, use_weighted_layer_sum=use_weighted_layer_sum)
    batch, mask, lengths = padded
    with torch.no_grad():
        together = model(batch, mask).logits
        for row, length in enumerate(lengths):
            alone = model(batch[row : row + 1, :length]).logits[0]
            torch.testing.assert_close(together[row], alone, atol=TOLERANCE, rtol=0)


def test_losses_do_not_depend_on_padding(build: Build, padded) -> None:
    batch, mask, _ = padded
    wider = torch.nn.functional.pad(batch, (0, 7_000), value=3.0)
    wider_mask = torch.nn.functional.pad(mask, (0, 7_000))
    frames = build()._get_feat_extract_output_lengths(16_000)
    more = build()._get_feat_extract_output_lengths(23_000)
    labels = torch.nn.functional.one_hot(torch.randint(0, 2, (3, int(more))), 2)
    for head, few, many in (
        ("ForCTC", torch.tensor([[3, 4], [5, -100], [6, -100]]), None),
        ("ForAudioFrameClassification", labels[:, :frames], labels),
    ):
        model = build(head)
        with torch.no_grad():
            narrow = model(batch, mask, labels=few).loss
            wide = model(wider, wider_mask, labels=few if many is None else many).loss
        torch.testing.assert_close(narrow, wide, atol=TOLERANCE, rtol=1e-5)


@pytest.mark.parametrize("feat_extract_norm", ["group", "layer"])
def test_what_stands_in_the_padding_has_no_effect(build: Build, padded, feat_extract_norm) -> None:
    model = build(feat_extract_norm=feat_extract_norm)
    batch, mask, lengths = padded
    garbage = torch.where(mask.bool(), batch, 100.0)
    with torch.no_grad():
        zeros, other = model(batch, mask), model(garbage, mask)
    for row, length in enumerate(lengths):
        valid = int(model._get_feat_extract_output_lengths(length))
        torch.testing.assert_close(
            zeros.last_hidden_state[row, :valid], other.last_hidden_state[row, :valid]
        )


@pytest.mark.parametrize("feat_extract_norm", ["group", "layer"])
def test_training_statistics_and_gradients_leave_padding_out(
    build: Build, feat_extract_norm
) -> None:
    """One utterance, padded or not, is the same training step."""
    waveform = torch.randn(1, 6_000)
    padded = torch.nn.functional.pad(waveform, (0, 5_000))
    mask = (torch.arange(11_000) < 6_000).long()[None]
    silent = {
        "hidden_dropout": 0.0,
        "activation_dropout": 0.0,
        "attention_dropout": 0.0,
        "conformer_conv_dropout": 0.0,
        "final_dropout": 0.0,
        "layerdrop": 0.0,
        "mask_time_prob": 0.0,
    }
    models = [build("ForCTC", feat_extract_norm=feat_extract_norm, **silent) for _ in range(2)]
    labels = torch.tensor([[3, 4, 5]])
    models[0].train()(waveform, labels=labels).loss.backward()
    models[1].train()(padded, mask, labels=labels).loss.backward()
    for (name, first), second in zip(models[0].named_buffers(), models[1].buffers(), strict=True):
        torch.testing.assert_close(first, second, msg=name, atol=1e-6, rtol=1e-5)
    for (name, first), second in zip(
        models[0].named_parameters(), models[1].parameters(), strict=True
    ):
        if first.grad is not None:
            torch.testing.assert_close(first.grad, second.grad, msg=name, atol=1e-4, rtol=1e-3)


def test_an_item_shorter_than_a_frame_is_finite_and_changes_no_other(build: Build) -> None:
    model = build("ForCTC")
    batch = torch.randn(2, 8_000)
    mask = torch.ones(2, 8_000, dtype=torch.long)
    mask[1, 300:] = 0
    with torch.no_grad():
        logits = model(batch * mask, mask).logits
        alone = model(batch[:1]).logits
    assert model._get_feature_vector_attention_mask(24, mask)[1].sum() == 0
    assert logits.isfinite().all()
    torch.testing.assert_close(logits[:1], alone, atol=TOLERANCE, rtol=0)


def test_left_padding_is_refused(build: Build) -> None:
    mask = torch.ones(2, 8_000, dtype=torch.long)
    mask[1, :3_000] = 0
    with pytest.raises(ValueError, match="padded on the right"):
        build()(torch.randn(2, 8_000), mask)


def test_padding_leaks_when_asked_to_as_the_reference_does(build: Build, padded) -> None:
    model = build("ForCTC", exact_padding=False, feat_extract_norm="layer")
    batch, mask, lengths = padded
    with torch.no_grad():
        together = model(batch, mask).logits[1]
        alone = model(batch[1:2, : lengths[1]]).logits[0]
    assert (together[: len(alone)] - alone).abs().max() > 100 * TOLERANCE
