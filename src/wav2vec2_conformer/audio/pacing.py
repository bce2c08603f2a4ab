"""A recording handed out as fast as it was spoken.

Shapes used in this file:
    L  samples
"""

import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

_PIECE_S = 0.1


class RealTimePace:
    """Holds pieces of 0.1 s back until somebody who listens would have heard them.

    Args:
        sample_rate_hz: Rate of the samples.
        clock: Tells seconds.
        sleep: Waits for seconds.

    Attributes:
        given_s: Seconds of audio handed out.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.given_s = 0.0
        self._sample_rate_hz = sample_rate_hz
        self._clock = clock
        self._sleep = sleep
        self._started_s: float | None = None

    @property
    def lag_s(self) -> float:
        """How far behind real time the consumer is, in seconds; 0 when it keeps up."""
        if self._started_s is None:
            return 0.0
        return max(0.0, self._clock() - self._started_s - self.given_s)

    def pace(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of blocks of shape (L,) in pieces, none before its time.

        A consumer that is late gets the next pieces at once.
        """
        piece_samples = max(1, round(_PIECE_S * self._sample_rate_hz))
        num_samples = 0
        for block in blocks:
            for start in range(0, len(block), piece_samples):
                piece = block[start : start + piece_samples]
                if self._started_s is None:
                    self._started_s = self._clock()
                num_samples += len(piece)
                self.given_s = num_samples / self._sample_rate_hz
                wait_s = self._started_s + self.given_s - self._clock()
                if wait_s > 0:
                    self._sleep(wait_s)
                yield piece
