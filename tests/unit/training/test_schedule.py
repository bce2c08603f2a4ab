"""The schedule reaches its end by updates or by the clock, over resumptions too."""

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.training import schedule
from wav2vec2_conformer.training.schedule import TrainingClock, learning_rate_factor


@pytest.fixture
def now(monkeypatch):
    """Return a list whose only element is the time in seconds."""
    time_s = [100.0]
    monkeypatch.setattr(schedule.time, "monotonic", lambda: time_s[0])
    return time_s


def begin(clock, state=None):
    clock.on_train_begin(TrainingArguments(use_cpu=True), state or TrainerState(), None)


def test_factor_rises_and_falls_to_zero_by_updates(now):
    clock = TrainingClock()
    begin(clock)
    factor = learning_rate_factor(clock, warmup_steps=10, max_steps=100)
    assert factor(0) == pytest.approx(0.1)
    assert factor(4) == pytest.approx(0.5 * 0.96)
    assert factor(50) == pytest.approx(0.5)
    assert factor(100) == 0.0
    now[0] += 1e6
    assert factor(50) == pytest.approx(0.5)


def test_factor_follows_the_clock_where_that_is_further(now):
    clock = TrainingClock(time_limit_s=1000.0)
    begin(clock)
    factor = learning_rate_factor(clock, warmup_steps=0, max_steps=100)
    now[0] += 250
    assert factor(10) == pytest.approx(0.75)
    assert factor(60) == pytest.approx(0.4)
    now[0] += 10_000
    assert factor(10) == 0.0


def test_resumed_clock_goes_on_from_the_checkpoint(now):
    clock = TrainingClock(time_limit_s=1000.0)
    begin(clock)
    now[0] += 300
    state = TrainerState(global_step=5, stateful_callbacks=[clock])
    now[0] += 5000
    resumed = TrainingClock(time_limit_s=1000.0)
    begin(resumed, state)
    now[0] += 40
    assert resumed.elapsed_s == pytest.approx(340)


def test_time_before_the_training_does_not_count(now):
    clock = TrainingClock(time_limit_s=10.0)
    now[0] += 300
    begin(clock, TrainerState(stateful_callbacks=[clock]))
    assert clock.elapsed_s == 0.0


@pytest.mark.parametrize(("seconds", "stops"), [(9.0, False), (10.0, True)])
def test_limit_stops_with_evaluation_and_checkpoint(now, seconds, stops):
    clock = TrainingClock(time_limit_s=10.0)
    begin(clock)
    now[0] += seconds
    control = TrainerControl()
    arguments = TrainingArguments(use_cpu=True, eval_strategy="steps", eval_steps=5)
    clock.on_step_end(arguments, TrainerState(), control)
    assert control.should_training_stop is stops
    assert control.should_evaluate is stops
    assert control.should_save is stops


def test_limit_must_be_positive():
    with pytest.raises(InputError, match=r"must be positive, got 0\.0 s"):
        TrainingClock(0.0)
