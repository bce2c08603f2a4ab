import signal
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
