"""Turns, and windows of many requests in one batch."""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from wav2vec2_conformer.inference.windows import Window
from wav2vec2_conformer.server import model_thread as module
from wav2vec2_conformer.server.model_thread import ModelThread, cancel_all
from wav2vec2_conformer.server.turns import Turns

RATE_HZ = 100


def window(duration_s: float) -> Window:
    samples = np.full(round(duration_s * RATE_HZ), duration_s, np.float32)
    return Window(samples, 0, 0, 1)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[list[float]]:
    """Lengths of the windows of each batch, in place of a model."""
    seen: list[list[float]] = []

    def run(model: Any, windows: Sequence[Window], *, batch_samples: int) -> Iterator[Any]:
        assert batch_samples > 0
        seen.append([len(each.samples) / RATE_HZ for each in windows])
        if model == "broken":
            raise ValueError("broken")
        for position, each in reversed(list(enumerate(windows))):
            yield position, each.samples[:1]

    monkeypatch.setattr(module, "run_windows", run)
    return seen


def submit_while_busy(
    thread: ModelThread, turns: Turns, jobs: Sequence[tuple[Any, float, float]]
) -> list[Any]:
    """Hand in windows (model, length, seconds before) while somebody else has the turn."""
    with turns.turn():
        results = []
        for model, duration_s, done_s in jobs:
            results.append(
                thread.submit(model, window(duration_s), sample_rate_hz=RATE_HZ, done_s=done_s)
            )
            time.sleep(0.01)
        time.sleep(0.05)
    return results


def test_windows_that_wait_run_together_up_to_the_batch(batches: list[list[float]]) -> None:
    turns = Turns()
    thread = ModelThread(turns, batch_seconds=10, max_wait_s=0)
    results = submit_while_busy(thread, turns, [("a", 4, 0), ("a", 4, 0), ("a", 4, 0)])
    assert [result.result(5)[0] for result in results] == [4, 4, 4]
    thread.close()
    assert batches == [[4, 4], [4]]


def test_short_windows_and_new_requests_are_first(batches: list[list[float]]) -> None:
    turns = Turns()
    thread = ModelThread(turns, batch_seconds=5, max_wait_s=0)
    jobs = [("a", 30, 0), ("a", 30, 600), ("a", 2, 0), ("a", 3, 0)]
    for result in submit_while_busy(thread, turns, jobs):
        result.result(5)
    thread.close()
    assert batches == [[2, 3], [30], [30]]


def test_models_do_not_mix(batches: list[list[float]]) -> None:
    turns = Turns()
    thread = ModelThread(turns, batch_seconds=10, max_wait_s=0)
    for result in submit_while_busy(thread, turns, [("a", 1, 0), ("b", 1, 0), ("a", 2, 0)]):
        result.result(5)
    thread.close()
    assert batches == [[1, 2], [1]]


def test_a_window_that_is_taken_back_does_not_run(batches: list[list[float]]) -> None:
    turns = Turns()
    thread = ModelThread(turns, batch_seconds=10, max_wait_s=0)
    with turns.turn():
        results = [thread.submit("a", window(n), sample_rate_hz=RATE_HZ) for n in (1, 2)]
        cancel_all(results[:1])
    results[1].result(5)
    thread.close()
    assert batches == [[2]]


def test_a_failure_is_told_to_those_who_wait_and_to_nobody_else(
    batches: list[list[float]],
) -> None:
    thread = ModelThread(Turns(), batch_seconds=10, max_wait_s=0)
    with pytest.raises(ValueError, match="broken"):
        thread.submit("broken", window(1), sample_rate_hz=RATE_HZ).result(5)
    assert thread.submit("a", window(2), sample_rate_hz=RATE_HZ).result(5)[0] == 2
    thread.close()
    assert batches == [[1], [2]]


def test_an_idle_model_waits_for_company_as_long_as_it_may(batches: list[list[float]]) -> None:
    thread = ModelThread(Turns(), batch_seconds=10, max_wait_s=0.5)
    first = thread.submit("a", window(1), sample_rate_hz=RATE_HZ)
    second = thread.submit("a", window(9), sample_rate_hz=RATE_HZ)
    start = time.monotonic()
    first.result(5), second.result(5)
    assert time.monotonic() - start < 0.4  # the batch was full
    thread.close()
    assert batches == [[1, 9]]


def test_a_short_window_does_not_wait_for_nobody_and_a_long_one_may(
    batches: list[list[float]],
) -> None:
    thread = ModelThread(Turns(), batch_seconds=100, max_wait_s=0.5, expects_company=lambda: False)
    start = time.monotonic()
    thread.submit("a", window(1), sample_rate_hz=RATE_HZ).result(5)
    assert time.monotonic() - start < 0.4
    results = [thread.submit("a", window(30), sample_rate_hz=RATE_HZ) for _ in range(2)]
    assert [len(result.result(5)) for result in results] == [1, 1]
    thread.close()
    assert batches == [[1], [30, 30]]


def test_what_was_handed_in_runs_before_the_end(batches: list[list[float]]) -> None:
    turns = Turns()
    thread = ModelThread(turns, batch_seconds=1, max_wait_s=0)
    results = submit_while_busy(thread, turns, [("a", 1, 0), ("a", 1, 0)])
    thread.close()
    assert all(result.done() for result in results)
    assert batches == [[1], [1]]
    with pytest.raises(RuntimeError, match="closed"):
        thread.submit("a", window(1), sample_rate_hz=RATE_HZ)


def test_turns_are_taken_in_the_order_of_asking() -> None:
    turns, order = Turns(), []

    def take(name: str) -> None:
        with turns.turn():
            order.append(name)

    threads = [threading.Thread(target=take, args=(name,)) for name in "abc"]
    with turns.turn():
        for thread in threads:
            thread.start()
            time.sleep(0.05)
        order.append("first")
        turns.let_others()
        order.append("last")
    for thread in threads:
        thread.join()
    assert order == ["first", "a", "b", "c", "last"]
