"""Parts of the x-vector head."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wav2vec2_conformer.nn.xvector import AMSoftmaxLoss, TDNNLayer, pool_statistics


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("kernel_size", [1, 3, 4])
def test_time_delay_layer_by_its_definition(randomize, kernel_size, dilation):
    """A linear map over the kernel's frames, then a rectifier."""
    layer = randomize(TDNNLayer(3, 5, kernel_size=kernel_size, dilation=dilation))
    frames = torch.randn(2, 12, 3)
    out = layer(frames)
    seen = dilation * (kernel_size - 1) + 1
    assert out.shape == (2, 12 - seen + 1, 5)
    for t in range(out.shape[1]):
        window = frames[:, t : t + seen : dilation].flatten(1)
        torch.testing.assert_close(out[:, t], layer.kernel(window).relu())
    assert (out == 0.0).any()


def test_statistics_are_mean_and_unbiased_deviation():
    x = torch.randn(3, 11, 4) * 2.0 + 1.0
    expected = torch.cat((x.mean(1), x.std(1)), dim=1)
    torch.testing.assert_close(pool_statistics(x), expected)


def test_statistics_are_those_of_each_utterance_alone(padding_mask):
    x = torch.randn(3, 11, 4)
    garbage = torch.where(padding_mask[:, :, None], 100.0, x)
    found, disturbed = pool_statistics(x, padding_mask), pool_statistics(garbage, padding_mask)
    for index, num_frames in enumerate((~padding_mask).sum(1).tolist()):
        alone = pool_statistics(x[index : index + 1, :num_frames])[0]
        torch.testing.assert_close(found[index], alone)
        torch.testing.assert_close(disturbed[index], alone)


def test_deviation_of_a_single_frame_is_zero():
    x = torch.randn(2, 1, 4).requires_grad_()
    pooled = pool_statistics(x)
    torch.testing.assert_close(pooled, torch.cat((x[:, 0], torch.zeros(2, 4)), 1))
    pooled.sum().backward()
    torch.testing.assert_close(x.grad, torch.ones(2, 1, 4))


def test_gradient_of_a_constant_channel_is_finite():
    """A dead rectifier's output is constant, and a root's slope at zero infinite."""
    x = torch.randn(2, 6, 4)
    x[:, :, 1] = 0.0
    x.requires_grad_()
    pool_statistics(x).sum().backward()
    assert x.grad.isfinite().all()
    torch.testing.assert_close(x.grad[:, :, 1], torch.full((2, 6), 1 / 6))  # the mean's alone
    ours = x.grad[:, :, [0, 2, 3]]
    plain = x.detach()[:, :, [0, 2, 3]].requires_grad_()
    (plain.mean(1).sum() + plain.std(1).sum()).backward()
    torch.testing.assert_close(ours, plain.grad)


@pytest.fixture
def loss(randomize):
    return randomize(AMSoftmaxLoss(4, 3))


def test_margin_softmax_by_its_definition(loss):
    embeddings, targets = torch.randn(2, 4), torch.tensor([2, 0])
    expected = 0.0
    for embedding, target in zip(embeddings, targets.tolist(), strict=True):
        cosines = [
            nn.functional.cosine_similarity(embedding, loss.weight[:, s], dim=0).item()
            for s in range(3)
        ]
        cosines[target] -= 0.4
        exponentials = [math.exp(30.0 * cosine) for cosine in cosines]
        expected -= math.log(exponentials[target] / sum(exponentials)) / 2
    assert loss(embeddings, targets).item() == pytest.approx(expected, rel=1e-4)


def test_margin_softmax_compares_directions(loss):
    embeddings, targets = torch.randn(5, 4), torch.randint(0, 3, (5,))
    before = loss(embeddings, targets)
    with torch.no_grad():
        loss.weight.mul_(torch.tensor([2.0, 5.0, 0.1]))
    torch.testing.assert_close(loss(7.0 * embeddings, targets), before, atol=1e-4, rtol=1e-4)


def test_margin_makes_it_harder():
    embeddings, targets = torch.randn(5, 4), torch.randint(0, 3, (5,))
    plain = AMSoftmaxLoss(4, 3, scale=1.0, margin=0.0)
    nn.init.normal_(plain.weight)
    strict = AMSoftmaxLoss(4, 3, scale=1.0, margin=0.4)
    strict.load_state_dict(plain.state_dict())
    assert strict(embeddings, targets) > plain(embeddings, targets)
    cosines = F.normalize(embeddings, dim=1) @ F.normalize(plain.weight, dim=0)
    torch.testing.assert_close(plain(embeddings, targets), F.cross_entropy(cosines, targets))


def test_margin_softmax_can_be_learned(loss):
    """Three directions for three speakers bring the loss near zero."""
    targets = torch.tensor([0, 1, 2])
    embeddings = torch.eye(4)[:3]
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.1)
    first = loss(embeddings, targets).item()
    for _ in range(60):
        optimizer.zero_grad()
        loss(embeddings, targets).backward()
        optimizer.step()
    assert loss(embeddings, targets).item() < 0.01 < first
