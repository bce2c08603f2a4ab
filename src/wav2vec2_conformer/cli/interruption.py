"""Ctrl-C between two results, not in the middle of the work on one."""

import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Generic, TypeVar

T = TypeVar("T")

EXIT_INTERRUPTED = 130
# From one press to the next that is made for the user, where the first one was not heard.
_REPEAT_S = 0.2


class UntilInterrupted(Generic[T]):
    """Iterates until the source ends or Ctrl-C is pressed.

    While the next item is waited for, Ctrl-C ends the iteration at once; while the last one is
    being worked on, it does so before the next. A second Ctrl-C is a `KeyboardInterrupt`.
    For the main thread.

    Ctrl-C is an exception at whatever Python is doing, and Python drops exceptions inside
    destructors and callbacks of C code. So the press is repeated until the iteration has ended.

    Args:
        items: What to iterate over.

    Attributes:
        is_interrupted: Whether Ctrl-C has been pressed.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self.is_interrupted = False
        self._items = items
        self._is_waiting = False
        self._is_repeated = False
        self._is_heard = threading.Event()
        self._repeater: threading.Thread | None = None

    def __iter__(self) -> Iterator[T]:
        """Yield the items. Ctrl-C means again what it meant before when this ends."""
        previous = signal.signal(signal.SIGINT, self._interrupt)
        items = iter(self._items)
        try:
            while not self.is_interrupted:
                self._is_waiting = True
                try:
                    item = next(items)
                except (StopIteration, KeyboardInterrupt):
                    return
                finally:
                    self._is_waiting = False
                yield item
        finally:
            self._is_heard.set()
            if self._repeater is not None:
                self._repeater.join()
            signal.signal(signal.SIGINT, previous)

    def _interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        is_repeated, self._is_repeated = self._is_repeated, False
        is_first, self.is_interrupted = not self.is_interrupted, True
        if self._is_waiting:
            if self._repeater is None:
                self._repeater = threading.Thread(target=self._repeat, daemon=True)
                self._repeater.start()
            raise KeyboardInterrupt
        if not is_first and not is_repeated:
            raise KeyboardInterrupt

    def _repeat(self) -> None:
        """Press Ctrl-C for the user until the iteration has ended."""
        while not self._is_heard.wait(_REPEAT_S):
            self._is_repeated = True
            # The system call that the main thread waits in has to end, where there are signals.
            if hasattr(signal, "pthread_kill"):
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            else:
                signal.raise_signal(signal.SIGINT)
