"""The schedule reaches its end by updates or by the clock, over resumptions too."""

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.training import schedule
from wav2vec2_conformer.training.schedule import (
    TrainingClock,
    linear_schedule,
    tri_stage_schedule,
)


@pytest.fixture
def now(monkeypatch):
    """Return a list whose only element is the time in seconds."""
    time_s = [100.0]
    monkeypatch.setattr(schedule.time, "monotonic", lambda: time_s[0])
    return time_s


def begin(clock, state=None):
    clock.on_train_begin(TrainingArguments(use_cpu=True), state or TrainerState(), None)


def test_linear_schedule_rises_and_falls_to_zero():
    factor = linear_schedule(10)
    assert factor(0, 0.0) == pytest.approx(0.1)
    assert factor(4, 0.04) == pytest.approx(0.5 * 0.96)
    assert factor(50, 0.5) == pytest.approx(0.5)
    assert factor(100, 1.0) == 0.0
    assert linear_schedule(0)(0, 0.0) == 1.0


def test_three_stages_rise_stay_and_fall():
    factor = tri_stage_schedule(0.1, 0.4, initial_scale=0.01, final_scale=0.05)
    assert factor(0, 0.0) == pytest.approx(0.01)
    assert factor(0, 0.05) == pytest.approx(0.505)
    assert [factor(0, done) for done in (0.1, 0.3, 0.5)] == pytest.approx([1.0] * 3)
    assert factor(0, 0.75) == pytest.approx(0.05**0.5)
    assert factor(0, 1.0) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("ratios", "scales"),
    [((0.6, 0.4), {}), ((-0.1, 0.4), {}), ((0.1, 0.4), {"final_scale": 0.0})],
)
def test_stages_that_cannot_be_are_refused(ratios, scales):
    with pytest.raises(InputError, match="must be parts of the"):
        tri_stage_schedule(*ratios, **scales)


def test_progress_is_by_updates_or_by_the_clock_whichever_is_further(now):
    clock = TrainingClock()
    begin(clock)
    now[0] += 1e6
    assert clock.progress(50, 100) == pytest.approx(0.5)
    clock = TrainingClock(time_limit_s=1000.0)
    begin(clock)
    now[0] += 250
    assert clock.progress(10, 100) == pytest.approx(0.25)
    assert clock.progress(60, 100) == pytest.approx(0.6)
    now[0] += 10_000
    assert clock.progress(10, 100) == 1.0


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


@pytest.mark.parametrize("should_save", [True, False])
def test_a_checkpoint_ends_a_logging_interval(should_save):
    clock = TrainingClock()
    begin(clock)
    control = TrainerControl(should_save=should_save)
    clock.on_step_end(TrainingArguments(use_cpu=True), TrainerState(), control)
    assert control.should_log is should_save


def test_limit_must_be_positive():
    with pytest.raises(InputError, match=r"must be positive, got 0\.0 s"):
        TrainingClock(0.0)
