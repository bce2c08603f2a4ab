"""The contrastive task: its loss, what counts as correct, and which distractors are left out."""

import math

import pytest
import torch
import torch.nn.functional as F

from wav2vec2_conformer.nn.contrastive import compare_with_distractors

BATCH, FRAMES, DIM, DISTRACTORS = 2, 7, 5, 3


@pytest.fixture
def inputs():
    """Predictions, targets, codes that all differ, some masked frames, distractors."""
    return {
        "predictions": torch.randn(BATCH, FRAMES, DIM),
        "targets": torch.randn(BATCH, FRAMES, DIM),
        "codes": torch.arange(FRAMES).expand(BATCH, FRAMES)[:, :, None].expand(-1, -1, 2),
        "mask": torch.tensor([[0, 1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 1, 1]]).bool(),
        "distractors": torch.randint(0, FRAMES, (BATCH, FRAMES, DISTRACTORS)),
    }


def one_by_one(inputs, temperature):
    """Return the loss and the number of correct frames, a frame at a time."""
    loss, correct = 0.0, 0
    for b, t in inputs["mask"].nonzero().tolist():
        others = [n for n in inputs["distractors"][b, t].tolist() if n != t]
        candidates = inputs["targets"][b, [t, *others]]
        cosines = F.cosine_similarity(inputs["predictions"][b, t][None], candidates)
        loss += F.cross_entropy(cosines / temperature, torch.tensor(0)).item()
        correct += bool(others) and int(cosines.argmax()) == 0
    return loss, correct


@pytest.mark.parametrize("temperature", [0.1, 0.7])
def test_it_is_the_cross_entropy_of_cosines(inputs, temperature):
    loss, correct = one_by_one(inputs, temperature)
    result = compare_with_distractors(**inputs, temperature=temperature)
    assert result.loss.item() == pytest.approx(loss, rel=1e-5)
    assert int(result.num_correct) == correct


def test_distractors_with_the_codes_of_the_target_are_left_out(inputs):
    inputs["distractors"][:] = 5
    inputs["codes"] = inputs["codes"].clone()
    inputs["codes"][0, 5] = inputs["codes"][0, 2]  # as frame 2 of the first utterance
    result = compare_with_distractors(**inputs)
    same = 1 + 1  # that frame, and frame 5 of the second utterance itself
    assert int(result.num_equal) == same * DISTRACTORS
    inputs["mask"] = torch.zeros_like(inputs["mask"])
    inputs["mask"][0, 2] = True
    assert compare_with_distractors(**inputs).loss == 0


def test_one_codebook_that_differs_is_enough(inputs):
    inputs["distractors"][:] = 5
    inputs["codes"] = inputs["codes"].clone()
    inputs["codes"][0, 5, 0] = inputs["codes"][0, 2, 0]
    assert int(compare_with_distractors(**inputs).num_equal) == DISTRACTORS


def test_a_collapsed_codebook_is_no_success(inputs):
    """The loss is 0, as nothing is left to be wrong about; nothing is right either."""
    inputs["codes"] = torch.zeros_like(inputs["codes"])
    result = compare_with_distractors(**inputs)
    assert result.loss == 0
    assert int(result.num_correct) == 0
    assert int(result.num_equal) == 7 * DISTRACTORS


def test_a_guess_that_is_equally_near_to_all_is_not_correct(inputs):
    inputs["targets"] = torch.ones_like(inputs["targets"])
    inputs["distractors"] = (torch.arange(FRAMES)[None, :, None] + torch.tensor([1, 2, 3])) % FRAMES
    inputs["distractors"] = inputs["distractors"].expand(BATCH, -1, -1)
    result = compare_with_distractors(**inputs)
    assert int(result.num_correct) == 0
    assert result.loss.item() == pytest.approx(7 * math.log(DISTRACTORS + 1), rel=1e-5)


def test_other_frames_get_no_gradient(inputs):
    inputs["predictions"].requires_grad_()
    compare_with_distractors(**inputs).loss.backward()
    gradient = inputs["predictions"].grad
    assert torch.isfinite(gradient).all()
    assert (gradient[~inputs["mask"]] == 0).all()
    assert (gradient[inputs["mask"]].abs().sum(dim=1) > 0).sum() >= 6


def test_nothing_masked(inputs):
    inputs["mask"] = torch.zeros_like(inputs["mask"])
    inputs["predictions"].requires_grad_()
    result = compare_with_distractors(**inputs)
    result.loss.backward()
    assert result.loss == 0
    assert (inputs["predictions"].grad == 0).all()


def test_half_floats_are_compared_in_single_precision(inputs):
    expected = compare_with_distractors(**inputs).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(compare_with_distractors(**inputs).loss, expected)
