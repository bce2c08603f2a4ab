"""Measuring processes: those that answer, fail, are killed or take too long."""

import os
import signal
import time

import pytest

from wav2vec2_conformer.benchmark.participant import MeasurementError, Participant
from wav2vec2_conformer.benchmark.turns import Turns

PRODUCT = ("matrix_product", {"dim": 8})


def test_one_that_fails_drops_out_and_the_other_goes_on() -> None:
    steps: list[str] = []
    modules = {"good": PRODUCT, "bad": ("matrix_product", {})}
    with Turns(modules, threads=1, limit_s=120.0, on_step=steps.append) as turns:
        turns.run({"product": {}}, rounds=2)
    good, bad = turns.outcomes["good"], turns.outcomes["bad"]
    assert len(good.values("product", "flops_per_s")) == 2
    assert min(good.values("product", "flops_per_s")) > 0
    assert (good.failure, bad.failure) == ("", "KeyError: 'dim'")
    assert "bad failed: KeyError: 'dim'" in steps
    assert steps[-1] == "good: product, round 2 of 2"


def test_a_process_that_is_killed_is_told_as_such() -> None:
    with Participant("machine", *PRODUCT, threads=1) as participant:
        os.kill(participant._process.pid, signal.SIGKILL)
        with pytest.raises(MeasurementError, match="killed by SIGKILL, perhaps for want of memory"):
            participant.ask(None, limit_s=60.0)


def test_a_process_that_takes_too_long_is_ended() -> None:
    modules = {"slow": PRODUCT}
    start_s = time.monotonic()
    with Turns(modules, threads=1, limit_s=0.01, on_step=lambda _: None) as turns:
        turns.run({"product": {}}, rounds=1)
    assert time.monotonic() - start_s < 30.0
    assert turns.outcomes["slow"].failure.startswith("took longer than")
