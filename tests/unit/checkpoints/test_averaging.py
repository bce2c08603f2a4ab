"""The mean of checkpoints of one run."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerModel
from wav2vec2_conformer.checkpoints.averaging import average_checkpoints
from wav2vec2_conformer.checkpoints.checkpoint import Checkpoint
from wav2vec2_conformer.errors import CheckpointError


def checkpoint(weight: float, *, number: int = 0) -> Checkpoint:
    return Checkpoint(
        path=Path(f"checkpoint-{weight:g}"),
        source_format="transformers",
        model_class=Wav2Vec2ConformerModel,
        config=Wav2Vec2ConformerConfig(),
        tensors={"weight": torch.full((2,), float(weight)), "count": torch.tensor(number)},
        do_normalize=True,
    )


def values(averaged: Checkpoint) -> Tensor:
    return averaged.tensors["weight"]


def test_the_mean_is_of_all_alike() -> None:
    averaged = average_checkpoints(checkpoint(weight) for weight in (1, 2, 6))
    torch.testing.assert_close(values(averaged), torch.full((2,), 3.0))
    assert averaged.notes == ["the mean of 3 checkpoints"]


def test_the_first_one_keeps_its_weights() -> None:
    first = checkpoint(1)
    average_checkpoints([first, checkpoint(2)])
    assert values(first).tolist() == [1, 1]


def test_one_alone_is_its_own_mean() -> None:
    averaged = average_checkpoints([checkpoint(0.1)])
    assert torch.equal(values(averaged), torch.full((2,), 0.1))
    assert averaged.notes == []


def test_whole_numbers_are_the_last_ones() -> None:
    averaged = average_checkpoints([checkpoint(1, number=500), checkpoint(2, number=1000)])
    assert averaged.tensors["count"].item() == 1000


def test_half_precision_is_averaged_in_full() -> None:
    halves = [checkpoint(60000), checkpoint(60000), checkpoint(60000)]
    for half in halves:
        half.tensors["weight"] = half.tensors["weight"].half()
    averaged = average_checkpoints(halves)
    assert values(averaged).dtype == torch.float16
    assert values(averaged).tolist() == [60000, 60000]  # a sum would be infinite


def rename(other: Checkpoint) -> None:
    other.tensors["other"] = other.tensors.pop("weight")


def grow(other: Checkpoint) -> None:
    other.tensors["weight"] = torch.zeros(3)


def deepen(other: Checkpoint) -> None:
    other.config.num_hidden_layers = 3


def relabel(other: Checkpoint) -> None:
    other.vocabulary = {"A": 0}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (rename, "their tensors differ: other, weight"),
        (grow, "their tensors differ: weight"),
        (deepen, "their settings differ: num_hidden_layers"),
        (relabel, "their vocabularies differ"),
    ],
)
def test_other_models_are_refused(change: Callable[[Checkpoint], None], told: str) -> None:
    other = checkpoint(2)
    change(other)
    with pytest.raises(CheckpointError, match=f"checkpoint-1 and checkpoint-2 .*: {told}"):
        average_checkpoints([checkpoint(1), other])


def test_a_dictionary_found_for_the_first_one_is_that_of_all() -> None:
    first = checkpoint(1)
    relabel(first)
    averaged = average_checkpoints([first, checkpoint(2)])
    assert averaged.vocabulary == first.vocabulary


def test_where_it_is_from_makes_no_difference() -> None:
    other = checkpoint(2)
    other.config._name_or_path = "elsewhere"
    assert values(average_checkpoints([checkpoint(1), other])).tolist() == [1.5, 1.5]


def test_nothing_is_no_mean() -> None:
    with pytest.raises(CheckpointError, match="no checkpoint to average"):
        average_checkpoints([])
