"""Norms whose statistics leave padded frames out."""

import pytest
import torch
from torch import nn

from wav2vec2_conformer.errors import ConfigurationError
from wav2vec2_conformer.nn.normalization import MaskedBatchNorm1d, MaskedChannelNorm


@pytest.fixture
def padding_mask():
    """Two frames at least: of a single one torch's group norm makes an error."""
    return torch.arange(11) >= torch.tensor([11, 6, 2])[:, None]


def pack(x, padding_mask):
    """Put the valid frames of [B, C, T] into one row [1, C, N]."""
    return x.transpose(1, 2)[~padding_mask].T[None]


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm_counts_valid_frames(randomize, padding_mask, momentum):
    ours, theirs = MaskedBatchNorm1d(5, momentum=momentum), nn.BatchNorm1d(5, momentum=momentum)
    randomize(ours)
    theirs.load_state_dict(ours.state_dict())
    for step in range(3):
        x = torch.randn(3, 5, 11) * 2.0 + step
        x[padding_mask[:, None, :].expand_as(x)] = 50.0
        ours.zero_grad()
        theirs.zero_grad()
        x.requires_grad_()
        weights = torch.randn(1, 5, 19)
        found = pack(ours(x, padding_mask), padding_mask)
        (found * weights).sum().backward()
        packed = pack(x.detach(), padding_mask).requires_grad_()
        expected = theirs(packed)
        (expected * weights).sum().backward()

        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours.state_dict(), theirs.state_dict())
        torch.testing.assert_close(pack(x.grad, padding_mask), packed.grad, atol=1e-5, rtol=1e-5)
        assert x.grad.transpose(1, 2)[padding_mask].abs().max() < 1e-5
        for name in ("weight", "bias"):
            gradients = (getattr(norm, name).grad for norm in (ours, theirs))
            torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-4)


def test_batch_norm_without_mask_is_torchs(randomize):
    ours = randomize(MaskedBatchNorm1d(5))
    theirs = nn.BatchNorm1d(5)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(3, 5, 11)
    torch.testing.assert_close(ours(x), theirs(x), atol=0.0, rtol=0.0)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), atol=0.0, rtol=0.0)
    assert ours.num_batches_tracked == 1


def test_batch_norm_in_evaluation_changes_no_statistics(randomize, padding_mask):
    norm = randomize(MaskedBatchNorm1d(5)).eval()
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    x = torch.randn(3, 5, 11)
    torch.testing.assert_close(norm(x, padding_mask), norm(x), atol=0.0, rtol=0.0)
    torch.testing.assert_close(norm.state_dict(), before, atol=0.0, rtol=0.0)


def test_batch_norm_of_one_valid_frame_is_finite():
    norm = MaskedBatchNorm1d(5)
    mask = torch.tensor([[False, True, True]])
    out = norm(torch.randn(1, 5, 3), mask)
    torch.testing.assert_close(out[0, :, 0], norm.bias)
    assert all(value.isfinite().all() for value in norm.state_dict().values())


def test_batch_norm_keeps_the_type_of_its_input(padding_mask):
    norm = MaskedBatchNorm1d(5)
    x = torch.randn(3, 5, 11)
    found = norm(x.bfloat16(), padding_mask)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), norm(x, padding_mask), atol=0.05, rtol=0.05)


def test_channel_norm_is_that_of_each_utterance_alone(randomize, assert_ignores_padding):
    norm = randomize(MaskedChannelNorm(5))

    def run(frames, padding_mask):
        return norm(frames.transpose(1, 2), padding_mask).transpose(1, 2)

    assert_ignores_padding(run, torch.randn(3, 11, 5) * 2.0 + 1.0)


def test_channel_norm_without_mask_is_torchs_group_norm(randomize):
    ours, theirs = randomize(MaskedChannelNorm(5)), nn.GroupNorm(5, 5)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(3, 5, 11)
    torch.testing.assert_close(ours(x), theirs(x))


def test_channel_norms_gradient_is_that_of_each_utterance_alone(randomize, padding_mask):
    norm = randomize(MaskedChannelNorm(5))
    x = torch.randn(3, 5, 11).requires_grad_()
    weights = torch.randn(3, 5, 11).masked_fill(padding_mask[:, None, :], 0.0)
    (norm(x, padding_mask) * weights).sum().backward()
    together = [norm.weight.grad.clone(), norm.bias.grad.clone()]
    norm.zero_grad()
    for index, num_frames in enumerate((~padding_mask).sum(1).tolist()):
        alone = x.detach()[index : index + 1, :, :num_frames].clone().requires_grad_()
        (norm(alone) * weights[index : index + 1, :, :num_frames]).sum().backward()
        torch.testing.assert_close(
            x.grad[index, :, :num_frames], alone.grad[0], atol=1e-4, rtol=1e-4
        )
        assert x.grad[index, :, num_frames:].abs().sum() == 0.0
    torch.testing.assert_close(together, [norm.weight.grad, norm.bias.grad])


def test_channel_norm_of_a_quiet_signal_far_from_zero():
    """The mean is taken off before squaring: no digits are lost."""
    norm = MaskedChannelNorm(1)
    x = 1_000.0 + torch.randn(1, 1, 500)
    mask = torch.zeros(1, 500, dtype=torch.bool)
    assert norm(x, mask).std().item() == pytest.approx(1.0, abs=1e-2)


def test_factors_of_a_batch_norm_are_its_evaluation(randomize):
    norm = randomize(MaskedBatchNorm1d(4)).eval()
    x = torch.randn(2, 4, 7)
    scale, offset = norm.scale_and_offset()
    torch.testing.assert_close(x * scale[:, None] + offset[:, None], norm(x))
    norm.running_mean = None
    with pytest.raises(ConfigurationError, match="track_running_stats=True"):
        norm.scale_and_offset()


def test_batch_norm_of_frames_with_channels_side_by_side():
    frames = torch.randn(3, 7, 5)
    results = []
    for norm in (MaskedBatchNorm1d(5).train(), torch.nn.BatchNorm1d(5).train()):
        leaf = frames.clone().requires_grad_()
        out = norm(leaf.transpose(1, 2))
        out.square().mul(torch.arange(7.0)).sum().backward()
        statistics = norm.running_mean, norm.running_var, norm.num_batches_tracked
        results.append([out, leaf.grad, norm.weight.grad, norm.bias.grad, *statistics])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
