"""Masked spans and distractors: what is drawn, how often, and from which source."""

import pytest
import torch

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn.masking import sample_distractors, sample_mask_spans


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def run_lengths(row):
    """Return the lengths of the runs of True."""
    edges = torch.nn.functional.pad(row.int(), (1, 1)).diff()
    return ((edges == -1).nonzero() - (edges == 1).nonzero()).flatten().tolist()


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.0, {0}), (0.25, {10}), (0.26, {10, 11}), (0.03, {1, 2}), (1.0, {40}), (5.0, {40})],
)
def test_number_of_spans(probability, expected):
    """Spans of one position do not overlap, so that positions count them."""
    lengths = torch.full((3,), 40)
    found = set()
    for seed in range(40):
        mask = sample_mask_spans(
            lengths, 40, probability=probability, span_length=1, generator=seeded(seed)
        )
        counts = mask.sum(1).tolist()
        assert len(set(counts)) == 1  # rounded up or down for all rows alike
        found.add(counts[0])
    assert found == expected


def test_number_of_spans_follows_each_rows_length():
    lengths = torch.tensor([40, 20, 8, 0])
    mask = sample_mask_spans(lengths, 40, probability=0.25, span_length=1)
    assert mask.sum(1).tolist() == [10, 5, 2, 0]


@pytest.mark.parametrize(("probability", "exact"), [(0.5, 30), (0.29, 29 * 0.6), (0.7, 42)])
def test_numbers_are_rounded_right_on_average(probability, exact):
    lengths = torch.tensor([60])
    counts = [
        sample_mask_spans(
            lengths, 60, probability=probability, span_length=1, generator=seeded(seed)
        ).sum()
        for seed in range(400)
    ]
    assert torch.stack(counts).double().mean().item() == pytest.approx(exact, abs=0.1)


@pytest.mark.parametrize(("probability", "size"), [(0.42, 150), (0.53, 100), (0.65, 180)])
def test_whole_numbers_are_not_lost_to_rounding(monkeypatch, probability, size):
    """In single precision 0.42 * 150 is a little below 63."""
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.zeros(shape))
    mask = sample_mask_spans(torch.tensor([size]), size, probability=probability, span_length=1)
    assert int(mask.sum()) == round(probability * size)


@pytest.mark.parametrize("span_length", [1, 3, 10])
def test_spans_are_whole_and_in_valid_positions(span_length):
    lengths = torch.tensor([50, 37, 12, 10, 9, 2, 0])
    for seed in range(30):
        mask = sample_mask_spans(
            lengths, 50, probability=0.4, span_length=span_length, generator=seeded(seed)
        )
        for row, length in zip(mask, lengths.tolist(), strict=True):
            assert not row[length:].any()
            assert all(run >= span_length for run in run_lengths(row))


def test_rows_too_short_for_a_span_are_left_whole():
    lengths = torch.tensor([20, 10, 9, 1, 0])
    mask = sample_mask_spans(lengths, 20, probability=1.0, span_length=10, min_spans=2)
    assert mask.any(1).tolist() == [True, True, False, False, False]
    assert mask[1].sum() == 10


def test_least_number_of_spans():
    lengths = torch.tensor([40, 5, 2, 0])
    mask = sample_mask_spans(lengths, 40, probability=0.0, span_length=1, min_spans=4)
    assert mask.sum(1).tolist() == [4, 4, 2, 0]


def test_no_more_spans_than_fit():
    """As many as fit side by side, though they may overlap."""
    most = 0
    for seed in range(50):
        mask = sample_mask_spans(
            torch.tensor([10]), 10, probability=9.0, span_length=4, generator=seeded(seed)
        )
        most = max(most, int(mask.sum()))
    assert most == 8


def test_span_longer_than_the_row_is_cut():
    mask = sample_mask_spans(torch.tensor([6, 5]), 6, probability=1.0, span_length=10, min_spans=1)
    assert mask.sum(1).tolist() == [6, 0]


def test_starts_are_uniform():
    """Each of the 7 starts of one span of 4 in 10 positions is drawn equally often."""
    lengths = torch.full((7_000,), 10)
    mask = sample_mask_spans(lengths, 12, probability=0.0, span_length=4, min_spans=1)
    assert set(mask.sum(1).tolist()) == {4}
    starts = mask.int().argmax(1).bincount(minlength=7)
    assert len(starts) == 7
    assert (starts - 1_000).abs().max() < 130  # four deviations of 29.3, and some


def test_starts_of_a_row_differ():
    """Two spans of 3 in 4 positions have but two starts: together they cover all."""
    mask = sample_mask_spans(torch.full((50,), 4), 6, probability=0.0, span_length=3, min_spans=2)
    assert set(mask.sum(1).tolist()) == {4}


def test_coverage():
    """2 of 41 starts of spans of 10: an inner position is missed if both starts are elsewhere."""
    lengths = torch.full((5_000,), 50)
    mask = sample_mask_spans(lengths, 50, probability=0.4, span_length=10)
    share = mask[:, 15:35].double().mean().item()
    assert share == pytest.approx(1 - (31 * 30) / (41 * 40), abs=0.01)


def test_spans_repeat_with_their_generator():
    def draw(generator):
        lengths = torch.tensor([60, 41])
        return sample_mask_spans(lengths, 60, probability=0.3, span_length=4, generator=generator)

    state = torch.get_rng_state()
    assert torch.equal(draw(seeded(1)), draw(seeded(1)))
    assert not torch.equal(draw(seeded(1)), draw(seeded(2)))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    once = draw(None)
    torch.manual_seed(5)
    assert torch.equal(draw(None), once)


@pytest.mark.parametrize("span_length", [0, -3])
def test_span_has_a_length(span_length):
    with pytest.raises(InputError, match=f"at least 1 position, got span_length={span_length}"):
        sample_mask_spans(torch.tensor([10]), 10, probability=0.5, span_length=span_length)


@pytest.fixture
def mask():
    """Return the masked frames of four utterances: some, some, one, none."""
    mask = torch.zeros(4, 12, dtype=torch.bool)
    mask[0, [1, 2, 5, 11]] = True
    mask[1, [0, 9]] = True
    mask[2, 7] = True
    return mask


def test_distractors_are_other_masked_frames(mask):
    drawn = sample_distractors(mask, 50)
    assert drawn.shape == (4, 12, 50)
    for b, t in mask[:2].nonzero().tolist():
        others = set(mask[b].nonzero().flatten().tolist()) - {t}
        assert set(drawn[b, t].tolist()) == others


def test_distractor_of_a_frame_without_others_is_itself(mask):
    drawn = sample_distractors(mask, 5)
    assert drawn[2, 7].tolist() == [7] * 5
    frames = torch.arange(12)[None, :, None].expand(4, -1, 5)
    assert torch.equal(drawn[~mask], frames[~mask])


def test_distractors_are_uniform():
    mask = torch.zeros(1, 30, dtype=torch.bool)
    mask[0, 10:15] = True
    counts = sample_distractors(mask, 8_000)[0, 12].bincount(minlength=30)
    assert counts[[10, 11, 13, 14]].sum() == 8_000
    assert (counts[[10, 11, 13, 14]] - 2_000).abs().max() < 200  # five deviations of 38.7


def test_distractors_with_all_frames_masked():
    drawn = sample_distractors(torch.ones(2, 6, dtype=torch.bool), 100)
    for t in range(6):
        assert set(drawn[0, t].tolist()) == set(range(6)) - {t}


def test_distractors_repeat_with_their_generator(mask):
    state = torch.get_rng_state()
    first, again, other = (
        sample_distractors(mask, 20, generator=seeded(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
