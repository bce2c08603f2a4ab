"""The Gumbel temperature: a function of updates."""

from types import SimpleNamespace

import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.training.pretraining.temperature import (
    GumbelTemperature,
    TemperatureSchedule,
)


def test_the_paper_values():
    schedule = TemperatureSchedule()
    assert schedule(0) == 2.0
    assert schedule(1) == pytest.approx(2 * 0.999995)
    assert schedule(100_000) == pytest.approx(1.2131, abs=1e-4)
    assert schedule(277_000) > 0.5
    assert schedule(278_000) == 0.5


def test_it_is_set_for_the_update_that_begins():
    temperatures = []
    model = SimpleNamespace(set_gumbel_temperature=temperatures.append)
    callback = GumbelTemperature(model, TemperatureSchedule(decay=0.5, minimum=0.3))
    for step in (0, 1, 7):
        callback.on_step_begin(None, SimpleNamespace(global_step=step), None)
    assert temperatures == [2.0, 1.0, 0.3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minimum": 0.0}, "min_gumbel_temperature=0.0"),
        ({"minimum": 3.0}, "the minimum at most the maximum"),
        ({"decay": 0.0}, "above 0 and at most 1, got 0.0"),
        ({"decay": 1.01}, "gumbel_temperature_decay"),
    ],
)
def test_values_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        TemperatureSchedule(**options)
