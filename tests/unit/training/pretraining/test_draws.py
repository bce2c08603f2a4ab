"""Masks and distractors: a function of seed, epoch and utterance, as the paper draws them."""

import numpy as np
import pytest
import torch
from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.training.pretraining.draws import Masking, mix_seed


def draw(num_frames=200, *, seed=0, epoch=0, utterance=0, **options):
    return Masking(**options).draw(num_frames, seed=seed, epoch=epoch, utterance=utterance)


def test_the_same_is_drawn_again_whatever_was_drawn_before():
    mask, distractors = draw()
    torch.rand(3)
    np.random.rand(3)  # noqa: NPY002
    draw(utterance=1)
    again = draw()
    assert torch.equal(mask, again[0])
    assert torch.equal(distractors, again[1])


def test_drawing_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    draw()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("changed", ["seed", "epoch", "utterance"])
def test_each_of_seed_epoch_and_utterance_counts(changed):
    assert not torch.equal(draw()[0], draw(**{changed: 1})[0])


def test_seeds_do_not_meet():
    seeds = {
        mix_seed(a, b, c, d) for a in range(6) for b in range(6) for c in range(6) for d in (0, 1)
    }
    assert len(seeds) == 6**3 * 2
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_distractors_are_other_masked_frames():
    mask, distractors = draw(num_distractors=40)
    masked = set(mask.nonzero()[:, 0].tolist())
    for frame in masked:
        assert set(distractors[frame].tolist()) <= masked - {frame}
    assert distractors.dtype == torch.int32


@pytest.mark.parametrize(("probability", "num_frames"), [(0.65, 499), (0.65, 149), (0.3, 499)])
def test_as_much_is_masked_as_in_the_reference(probability, num_frames):
    rng = np.random.RandomState(0)
    np.random.seed(0)  # noqa: NPY002  the reference draws from the global generator
    theirs = _compute_mask_indices((300, num_frames), probability, 10, min_masks=2).mean()
    ours = [
        draw(num_frames, utterance=int(rng.randint(2**31)), probability=probability)[0]
        for _ in range(300)
    ]
    assert torch.stack(ours).double().mean().item() == pytest.approx(theirs, abs=0.012)


def test_as_much_is_masked_as_the_paper_says():
    masks = [draw(499, utterance=k)[0] for k in range(200)]
    assert torch.stack(masks).double().mean().item() == pytest.approx(0.49, abs=0.015)


@pytest.mark.parametrize("num_frames", [0, 1, 9, 10, 11])
def test_short_utterances(num_frames):
    mask, distractors = draw(num_frames, num_distractors=3)
    assert mask.shape == (num_frames,)
    assert distractors.shape == (num_frames, 3)
    assert bool(mask.any()) == (num_frames >= 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probability": 0.0}, "mask_time_prob must be above 0 and at most 1, got 0.0"),
        ({"probability": 1.1}, "mask_time_prob"),
        ({"span_frames": 0}, "mask_time_length must be at least 1, got 0"),
        ({"min_spans": -1}, "mask_time_min_masks must be at least 0"),
        ({"num_distractors": 0}, "num_negatives must be at least 1"),
    ],
)
def test_values_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        Masking(**options)
