"""Looking ahead in a stream of blocks."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


class SampleReader:
    """Reads the samples of blocks by position, forwards only, and keeps few of them.

    Args:
        blocks: Samples of shape (L,), in order.

    Attributes:
        position: The next sample's number.
    """

    def __init__(self, blocks: Iterable[NDArray[np.float32]]) -> None:
        self.position = 0
        self._blocks = iter(blocks)
        self._buffer = np.empty(0, dtype=np.float32)

    def peek(self, num_samples: int) -> NDArray[np.float32]:
        """Return the next samples without passing over them; fewer at the end.

        The result may be a view of a block: do not write to it.
        """
        pieces = [self._buffer] if self._buffer.size else []
        available = self._buffer.size
        while available < num_samples and (block := next(self._blocks, None)) is not None:
            pieces.append(block)
            available += block.size
        if len(pieces) > 1:
            self._buffer = np.concatenate(pieces)
        elif pieces:
            self._buffer = pieces[0]  # a waveform that is one block is never copied
        return self._buffer[:num_samples]

    def skip_to(self, position: int) -> None:
        """Pass over the samples before a position; stop at the end if that comes first."""
        while (missing := position - self.position) > self._buffer.size:
            self.position += self._buffer.size
            block = next(self._blocks, None)
            self._buffer = np.empty(0, np.float32) if block is None else block
            if block is None:
                return
        self._buffer = self._buffer[max(missing, 0) :]
        self.position += max(missing, 0)

    def skip_to_end(self) -> int:
        """Pass over everything and return the number of samples in all."""
        self.position += self._buffer.size
        self._buffer = self._buffer[:0]
        for block in self._blocks:
            self.position += block.size
        return self.position
