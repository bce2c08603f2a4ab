"""Rung: the CTC head and its loss."""

import pytest
import torch


@pytest.fixture
def labels():
    ids = torch.randint(1, 12, (3, 9))
    ids[1, 6:] = -100
    ids[2, 2:] = -100
    return ids


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_logits_and_loss(build_pair, assert_equal_outputs, waveforms, labels, positions, reduction):
    pair = build_pair("ForCTC", position_embeddings_type=positions, ctc_loss_reduction=reduction)
    ours, theirs = pair(waveforms(batch_size=3), labels=labels)
    assert ours.loss > 0
    assert_equal_outputs(ours, theirs)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_padded_batch(build_pair, assert_equal_outputs, padded, labels, positions, reduction):
    pair = build_pair(
        "ForCTC",
        position_embeddings_type=positions,
        ctc_loss_reduction=reduction,
        exact_padding=False,
    )
    assert_equal_outputs(*pair(*padded, labels=labels))


@pytest.mark.parametrize("output_size", [None, 20])
def test_adapter(build_pair, assert_equal_outputs, padded, labels, output_size):
    pair = build_pair(
        "ForCTC",
        add_adapter=True,
        num_adapter_layers=1,
        output_hidden_size=output_size,
        exact_padding=False,
    )
    labels[2, 1:] = -100
    ours, theirs = pair(*padded, labels=labels)
    assert ours.loss.isfinite()
    assert_equal_outputs(ours, theirs)


@pytest.mark.parametrize("zero_infinity", [False, True])
def test_more_labels_than_frames(build_pair, assert_equal_outputs, padded, labels, zero_infinity):
    labels = torch.cat((labels, labels.flip(1)), dim=1)  # 18 of 1: 14 frames in the third
    labels[2] = 1
    pair = build_pair("ForCTC", ctc_zero_infinity=zero_infinity, exact_padding=False)
    with pytest.warns(UserWarning, match="1 of 3 targets need more frames"):
        ours, theirs = pair(*padded, labels=labels)
    assert ours.loss.isfinite() == zero_infinity
    assert_equal_outputs(ours, theirs)


def test_another_blank(build_pair, assert_equal_outputs, waveforms):
    pair = build_pair("ForCTC", pad_token_id=11)
    labels = torch.randint(0, 11, (2, 5))
    assert_equal_outputs(*pair(waveforms(), labels=labels))
