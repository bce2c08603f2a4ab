"""Sets of speakers as classes."""

import pytest
import torch

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn.powerset import (
    build_powerset,
    count_speakers,
    find_classes,
    find_marginals,
)


def test_the_order_of_the_classes_is_nobody_each_alone_pairs() -> None:
    sets = [tuple(row.nonzero()[:, 0].tolist()) for row in build_powerset(3, 2)]
    assert sets == [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]


@pytest.mark.parametrize(("num_speakers", "max_simultaneous"), [(0, 1), (2, 0), (2, 3)])
def test_impossible_sets_are_refused(num_speakers: int, max_simultaneous: int) -> None:
    with pytest.raises(InputError, match=f"max_simultaneous={max_simultaneous}"):
        build_powerset(num_speakers, max_simultaneous)


@pytest.mark.parametrize(("num_speakers", "max_simultaneous"), [(1, 1), (4, 1), (3, 2), (5, 3)])
def test_the_number_of_classes_tells_the_number_of_speakers(
    num_speakers: int, max_simultaneous: int
) -> None:
    num_classes = len(build_powerset(num_speakers, max_simultaneous))
    assert count_speakers(num_classes, max_simultaneous) == num_speakers


@pytest.mark.parametrize(("num_classes", "max_simultaneous"), [(6, 2), (1, 1), (0, 1)])
def test_a_number_of_classes_that_no_powerset_has_is_refused(
    num_classes: int, max_simultaneous: int
) -> None:
    with pytest.raises(InputError, match="are not the sets"):
        count_speakers(num_classes, max_simultaneous)


def test_sets_of_no_speaker_are_refused() -> None:
    with pytest.raises(InputError, match="at least 1, got 0"):
        count_speakers(3, 0)


def test_every_class_is_found_again_and_larger_sets_have_none() -> None:
    powerset = build_powerset(4, 2)
    classes, has_class = find_classes(powerset[None], powerset)
    assert classes.tolist() == [list(range(len(powerset)))]
    assert has_class.all()
    three = torch.tensor([[[True, True, True, False]]])
    assert not find_classes(three, powerset)[1].any()


def test_marginals_sum_the_sets_that_hold_a_speaker() -> None:
    powerset = build_powerset(2, 2)
    probs = torch.tensor([[[0.1, 0.2, 0.3, 0.4]]])
    torch.testing.assert_close(find_marginals(probs.log(), powerset), torch.tensor([[[0.6, 0.7]]]))
