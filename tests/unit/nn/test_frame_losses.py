"""Losses of frames: equal to brute force, blind to padding and to the speakers' order."""

from itertools import permutations

import pytest
import torch
import torch.nn.functional as F

from wav2vec2_conformer.nn.frame_losses import multilabel_loss, powerset_loss
from wav2vec2_conformer.nn.powerset import build_powerset

BATCH, FRAMES = 3, 7


def draw(num_speakers: int, num_outputs: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return logits, targets and counted frames, some of them not."""
    logits = torch.randn(BATCH, FRAMES, num_outputs)
    targets = (torch.rand(BATCH, FRAMES, num_speakers) < 0.4).float()
    counted = torch.arange(FRAMES)[None] < torch.tensor([FRAMES, 4, 1])[:, None]
    return logits, targets, counted


def brute_multilabel(logits, targets, counted) -> float:
    return sum(
        F.binary_cross_entropy_with_logits(logits[b, t], targets[b, t]).item()
        for b in range(BATCH)
        for t in range(FRAMES)
        if counted[b, t]
    )


def brute_powerset(logits, targets, counted, powerset) -> tuple[float, int]:
    """Return the summed loss and the number of frames that count."""
    total, num_frames = 0.0, 0
    for b in range(len(logits)):
        for t in range(FRAMES):
            matches = (powerset == targets[b, t].bool()).all(dim=1).nonzero()
            if counted[b, t] and len(matches):
                total -= logits[b, t].log_softmax(0)[int(matches[0])].item()
                num_frames += 1
    return total, num_frames


def test_multilabel_loss_is_the_mean_over_counted_frames() -> None:
    logits, targets, counted = draw(3, 3)
    expected = brute_multilabel(logits, targets, counted) / int(counted.sum())
    assert multilabel_loss(logits, targets, counted).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("num_speakers", [1, 2, 3, 4, 5])
def test_permutation_invariant_multilabel_loss_is_that_of_the_best_order(num_speakers: int) -> None:
    logits, targets, counted = draw(num_speakers, num_speakers)
    per_recording = []
    for b in range(BATCH):
        only = counted & (torch.arange(BATCH) == b)[:, None]
        per_recording.append(
            min(
                brute_multilabel(logits, targets[..., list(order)], only)
                for order in permutations(range(num_speakers))
            )
        )
    loss = multilabel_loss(logits, targets, counted, is_permutation_invariant=True)
    assert loss.item() == pytest.approx(sum(per_recording) / int(counted.sum()), rel=1e-5)


@pytest.mark.parametrize(("num_speakers", "max_simultaneous"), [(1, 1), (3, 2), (4, 2), (3, 3)])
def test_powerset_loss_is_the_cross_entropy_of_the_set(
    num_speakers: int, max_simultaneous: int
) -> None:
    powerset = build_powerset(num_speakers, max_simultaneous)
    logits, targets, counted = draw(num_speakers, len(powerset))
    total, num_frames = brute_powerset(logits, targets, counted, powerset)
    loss = powerset_loss(logits, targets, counted, powerset)
    assert loss.item() == pytest.approx(total / num_frames, rel=1e-5)


@pytest.mark.parametrize(("num_speakers", "max_simultaneous"), [(1, 1), (2, 2), (4, 2)])
def test_permutation_invariant_powerset_loss_is_that_of_the_best_order(
    num_speakers: int, max_simultaneous: int
) -> None:
    powerset = build_powerset(num_speakers, max_simultaneous)
    logits, targets, counted = draw(num_speakers, len(powerset))
    total, num_frames = 0.0, 0
    for b in range(BATCH):
        only = counted & (torch.arange(BATCH) == b)[:, None]
        sums = [
            brute_powerset(logits, targets[..., list(order)], only, powerset)
            for order in permutations(range(num_speakers))
        ]
        total += min(loss for loss, _ in sums)
        num_frames += sums[0][1]
    loss = powerset_loss(logits, targets, counted, powerset, is_permutation_invariant=True)
    assert loss.item() == pytest.approx(total / num_frames, rel=1e-5)


def test_with_five_speakers_the_powerset_finds_the_order_that_the_logits_show() -> None:
    powerset = build_powerset(5, 2)
    targets = torch.zeros(1, FRAMES, 5)
    for t in range(FRAMES):
        targets[0, t, [t % 5, (t + 1) % 5][: 1 + t % 2]] = 1
    counted = torch.ones(1, FRAMES, dtype=torch.bool)
    shown = targets[..., [3, 0, 4, 1, 2]]
    classes = [int((powerset == row.bool()).all(dim=1).nonzero()) for row in shown[0]]
    logits = 8.0 * F.one_hot(torch.tensor(classes), len(powerset))[None].float()
    in_order = powerset_loss(logits, shown, counted, powerset)
    found = powerset_loss(logits, targets, counted, powerset, is_permutation_invariant=True)
    assert found.item() == pytest.approx(in_order.item(), rel=1e-5)
    assert powerset_loss(logits, targets, counted, powerset).item() > in_order.item() + 1


@pytest.mark.parametrize("is_permutation_invariant", [False, True])
def test_what_lies_in_frames_that_do_not_count_changes_neither_loss_nor_gradient(
    is_permutation_invariant: bool,
) -> None:
    powerset = build_powerset(3, 2)
    logits, targets, counted = draw(3, len(powerset))
    other, other_logits = targets.clone(), logits.clone()
    other[~counted] = float("nan")
    other_logits[~counted] = 50.0
    results = []
    for values, labels in ((logits, targets), (other_logits, other)):
        leaf = values.clone().requires_grad_()
        loss = powerset_loss(
            leaf, labels, counted, powerset, is_permutation_invariant=is_permutation_invariant
        ) + multilabel_loss(
            leaf[..., :3], labels, counted, is_permutation_invariant=is_permutation_invariant
        )
        loss.backward()
        results.append((loss.detach(), leaf.grad[counted]))
        assert not leaf.grad[~counted].any()
    torch.testing.assert_close(results[0], results[1])


def test_a_batch_without_counted_frames_has_loss_zero() -> None:
    powerset = build_powerset(2, 2)
    logits, targets, counted = draw(2, len(powerset))
    nothing = torch.zeros_like(counted)
    for is_permutation_invariant in (False, True):
        options = {"is_permutation_invariant": is_permutation_invariant}
        assert powerset_loss(logits, targets, nothing, powerset, **options).item() == 0
        assert multilabel_loss(logits[..., :2], targets, nothing, **options).item() == 0


def test_frames_with_more_speakers_than_a_set_holds_do_not_count() -> None:
    powerset = build_powerset(3, 2)
    logits, targets, _ = draw(3, len(powerset))
    counted = torch.ones(BATCH, FRAMES, dtype=torch.bool)
    targets[:, 2] = 1
    without = counted.clone()
    without[:, 2] = False
    assert (
        powerset_loss(logits, targets, counted, powerset).item()
        == powerset_loss(logits, targets, without, powerset).item()
    )
