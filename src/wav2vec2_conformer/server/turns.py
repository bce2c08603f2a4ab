"""Turns at the model: one thread at a time, in the order of asking."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock that is fair: whoever has asked first is next.

    A plain lock may be taken again at once by the thread that has just left it, however many
    wait; work that is done in steps would never let others in.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._num_asked = 0
        self._num_served = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and have it for the block."""
        self._take()
        try:
            yield
        finally:
            self._leave()

    def let_others(self) -> None:
        """Give everybody who waits a turn, and come back; for whoever has the turn now."""
        self._leave()
        self._take()

    def _take(self) -> None:
        with self._changed:
            number = self._num_asked
            self._num_asked += 1
            self._changed.wait_for(lambda: self._num_served == number)

    def _leave(self) -> None:
        with self._changed:
            self._num_served += 1
            self._changed.notify_all()
