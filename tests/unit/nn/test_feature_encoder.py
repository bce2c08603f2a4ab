"""The strided convolutions: what a frame sees, and gradients through checkpoints."""

import pytest
import torch
import torch.nn.functional as F

from wav2vec2_conformer.nn import feature_encoder as feature_encoder_module
from wav2vec2_conformer.nn.feature_encoder import FeatureEncoder

FIELD_SAMPLES, HOP_SAMPLES = 30, 20


@pytest.fixture(params=["group", "layer"])
def encoder(randomize, request):
    return randomize(
        FeatureEncoder(
            (4, 6, 5), (10, 3, 2), (5, 2, 2), bias=True, norm=request.param, activation=F.gelu
        )
    )


@pytest.mark.parametrize("num_samples", [30, 49, 50, 51, 69, 70, 333])
def test_counts_are_those_of_the_output(encoder, num_samples):
    counted = encoder.output_lengths(torch.tensor(num_samples))
    assert encoder(torch.randn(1, num_samples)).shape == (1, counted, 5)
    assert counted == 1 + (num_samples - FIELD_SAMPLES) // HOP_SAMPLES


def test_too_few_samples_make_no_frame(encoder):
    assert encoder.output_lengths(torch.tensor([0, 1, 29, 30])).tolist() == [0, 0, 0, 1]


def test_frame_sees_its_field_alone(encoder):
    assert encoder.receptive_field == FIELD_SAMPLES
    waveform = torch.randn(1, 210).requires_grad_()
    if encoder.conv_layers[0].norm == "layer":  # a norm over time sees all
        encoder(waveform)[0, 4].sum().backward()
        seen = waveform.grad[0].nonzero().flatten()
        assert int(seen.min()) == 4 * HOP_SAMPLES
        assert int(seen.max()) == 4 * HOP_SAMPLES + FIELD_SAMPLES - 1


@pytest.mark.parametrize("num_samples", [30, 89, 90, 109, 110, 129, 130, 333])
def test_blocks_change_nothing(encoder, monkeypatch, num_samples):
    """Without a gradient, four frames at a time."""
    waveforms, lengths = torch.randn(2, num_samples), torch.tensor([num_samples, 30])
    expected = encoder(waveforms, lengths)
    monkeypatch.setattr(feature_encoder_module, "BLOCK_FRAMES", 4)
    with torch.no_grad():
        found = encoder(waveforms, lengths)
    for row, count in enumerate(encoder.output_lengths(lengths).tolist()):
        torch.testing.assert_close(found[row, :count], expected[row, :count])


def test_blocks_bound_what_a_convolution_makes(randomize, monkeypatch):
    encoder = randomize(
        FeatureEncoder((4, 5), (10, 3), (5, 2), bias=False, norm="layer", activation=F.gelu)
    )
    made = []
    encoder.conv_layers[0].register_forward_hook(lambda *call: made.append(call[-1].shape[2]))
    monkeypatch.setattr(feature_encoder_module, "BLOCK_FRAMES", 4)
    with torch.no_grad():
        encoder(torch.randn(1, 1_000))
    assert len(made) > 10
    assert max(made) == 9


def test_padding_does_not_matter(encoder):
    lengths = torch.tensor([333, 150, 30])
    waveforms = torch.randn(3, 333)
    garbage = torch.where(torch.arange(333) >= lengths[:, None], 100.0, waveforms)
    found, disturbed = encoder(waveforms, lengths), encoder(garbage, lengths)
    for index, num_samples in enumerate(lengths.tolist()):
        alone = encoder(waveforms[index : index + 1, :num_samples])[0]
        for batched in (found, disturbed):
            torch.testing.assert_close(batched[index, : len(alone)], alone, atol=1e-5, rtol=1e-5)


def test_group_norm_alone_mixes_frames(randomize):
    """So it alone needs the lengths; without them padding leaks."""
    leaks = {}
    for norm in ("group", "layer"):
        encoder = randomize(
            FeatureEncoder((4, 5), (10, 3), (5, 2), bias=False, norm=norm, activation=F.gelu)
        )
        waveform = torch.randn(1, 200)
        padded = F.pad(waveform, (0, 100))
        difference = encoder(padded)[:, :10] - encoder(waveform)[:, :10]
        leaks[norm] = difference.abs().max().item()
    assert leaks["layer"] < 1e-6
    assert leaks["group"] > 1e-2


def test_checkpointing_changes_no_gradient(encoder):
    waveforms, lengths = torch.randn(2, 333), torch.tensor([333, 150])
    gradients = []
    # A hook, so that layers are called: lean gradients need no checkpoints.
    encoder.conv_layers[0].register_forward_hook(lambda *_: None)
    for checkpointing in (False, True):
        encoder.zero_grad()
        encoder.gradient_checkpointing = checkpointing
        encoder(waveforms, lengths).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in encoder.parameters()])
    torch.testing.assert_close(*gradients)
    assert all(gradient.abs().sum() > 0 for gradient in gradients[0])


@pytest.mark.parametrize("checkpointing", [False, True])
def test_waveform_may_want_a_gradient_and_need_not_have_one(encoder, checkpointing):
    encoder.gradient_checkpointing = checkpointing
    scale = torch.ones(()).requires_grad_()
    waveforms = torch.randn(2, 100)
    encoder(waveforms * scale).sum().backward()
    assert scale.grad.isfinite()
    encoder(waveforms).sum().backward()
    assert waveforms.grad is None
    assert not waveforms.requires_grad
