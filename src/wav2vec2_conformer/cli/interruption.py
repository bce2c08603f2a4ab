"""Ctrl-C between two blocks of a stream, not in the middle of the work on one."""

import signal
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Generic, TypeVar

T = TypeVar("T")


class UntilInterrupted(Generic[T]):
    """Iterates until the source ends or Ctrl-C is pressed.

    While the next item is waited for, Ctrl-C ends the iteration at once; while the last one is
    being worked on, it does so before the next. A second Ctrl-C is a `KeyboardInterrupt`.
    For the main thread.

    Args:
        items: What to iterate over.

    Attributes:
        is_interrupted: Whether Ctrl-C has been pressed.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self.is_interrupted = False
        self._items = items
        self._is_waiting = False

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
            signal.signal(signal.SIGINT, previous)

    def _interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        if self.is_interrupted or self._is_waiting:
            self.is_interrupted = True
            raise KeyboardInterrupt
        self.is_interrupted = True
