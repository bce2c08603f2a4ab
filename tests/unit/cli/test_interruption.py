import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from wav2vec2_conformer.cli.interruption import UntilInterrupted


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_without_ctrl_c_everything_is_yielded() -> None:
    listening = UntilInterrupted(iter([1, 2, 3]))
    assert list(listening) == [1, 2, 3]
    assert not listening.is_interrupted


def test_ctrl_c_during_the_work_on_an_item_ends_after_it() -> None:
    listening = UntilInterrupted([1, 2, 3])
    done = []
    for item in listening:
        if item == 2:
            press_ctrl_c()
        done.append(item)
    assert done == [1, 2]
    assert listening.is_interrupted


def test_ctrl_c_while_waiting_ends_at_once() -> None:
    def items() -> Iterator[int]:
        yield 1
        press_ctrl_c()
        yield 2

    listening = UntilInterrupted(items())
    assert list(listening) == [1]
    assert listening.is_interrupted


def test_a_second_ctrl_c_stops_the_work() -> None:
    listening = iter(UntilInterrupted([1, 2]))
    assert next(listening) == 1
    press_ctrl_c()
    with pytest.raises(KeyboardInterrupt):
        press_ctrl_c()
    listening.close()


def test_afterwards_ctrl_c_is_what_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)
    list(UntilInterrupted([1]))
    assert signal.getsignal(signal.SIGINT) is before


def test_errors_of_the_source_pass() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(UntilInterrupted(items()))


class Reluctant:
    """Presses Ctrl-C inside its destructor, where Python drops the exception."""

    def __del__(self) -> None:
        press_ctrl_c()


def test_ctrl_c_that_falls_into_a_destructor_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: dropped.append(args.exc_type))

    def items() -> Iterator[int]:
        yield 1
        thing = Reluctant()
        del thing
        time.sleep(20)  # as long as nobody presses again
        yield 2

    listening = UntilInterrupted(items())
    start_s = time.monotonic()
    threads = threading.active_count()
    assert list(listening) == [1]
    assert dropped == [KeyboardInterrupt]
    assert listening.is_interrupted
    assert time.monotonic() - start_s < 10
    assert threading.active_count() == threads


def test_the_repeated_press_does_not_stop_the_work_on_an_item(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)

    def items() -> Iterator[int]:
        thing = Reluctant()
        del thing
        yield 1
        yield 2

    done = []
    for item in UntilInterrupted(items()):
        time.sleep(0.5)  # the press is repeated in this time
        done.append(item)
    assert done == [1]
