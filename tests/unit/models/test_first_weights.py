"""Random weights of a new model are drawn as those of the released models were."""

import pytest
import torch
from torch import Tensor

from .conftest import Build


@pytest.fixture
def drawn(build: Build) -> dict[str, Tensor]:
    changes = {"conv_dim": (32,) * 7, "hidden_size": 64, "codevector_dim": 32}
    model = build("ForPreTraining", proj_codevector_dim=48, num_codevectors_per_group=64, **changes)
    return dict(model.state_dict())


@pytest.mark.parametrize(
    ("name", "num_inputs"),
    [
        ("wav2vec2_conformer.feature_projection.projection.weight", 32),
        ("project_hid.weight", 64),
        ("project_q.weight", 32),
    ],
)
def test_projections_are_drawn_evenly(drawn: dict[str, Tensor], name: str, num_inputs: int) -> None:
    bound = num_inputs**-0.5
    weight = drawn[name]
    assert 0.9 * bound < weight.abs().max() <= bound
    assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.1)


def test_quantizer_is_drawn_with_unit_spread(drawn: dict[str, Tensor]) -> None:
    assert drawn["quantizer.weight_proj.weight"].std() == pytest.approx(1.0, rel=0.1)
    codevectors = drawn["quantizer.codevectors"]
    assert 0 <= codevectors.min() < 0.05
    assert 0.95 < codevectors.max() <= 1


def test_linear_maps_of_the_blocks_are_normal(drawn: dict[str, Tensor]) -> None:
    weights = [value.flatten() for name, value in drawn.items() if "linear_q.weight" in name]
    assert torch.cat(weights).std() == pytest.approx(0.02, rel=0.1)
