"""Log-probabilities that are read a few frames at a time, from memory or from a file.

Shapes used in this file:
    T  frames
    V  vocabulary
"""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import InputError

# Impossible tokens get this log-probability, so that any text with enough frames has a path.
MIN_LOG_PROB = -10_000.0
_VALUES_AT_ONCE = 1_000_000


class LogProbs(Protocol):
    """Natural logarithms of shape (T, V): an array, a memory map, or anything with rows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames and vocabulary."""

    def __getitem__(self, frames: slice, /) -> NDArray[Any]:
        """Return rows."""


def iter_rows(
    log_probs: LogProbs, start: int = 0, end: int | None = None
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield frames in pieces of a few megabytes.

    Args:
        log_probs: Shape (T, V).
        start: First frame.
        end: The frame after the last one; None for T.

    Yields:
        The piece's first frame, and its log-probabilities as float32, none of them below
        `MIN_LOG_PROB`.

    Raises:
        InputError: When a value is NaN or plus infinity.
    """
    num_frames, vocab_size = log_probs.shape
    end = num_frames if end is None else end
    step = max(1, _VALUES_AT_ONCE // vocab_size)
    for first in range(start, end, step):
        rows = np.maximum(log_probs[first : min(first + step, end)], np.float32(MIN_LOG_PROB))
        # One maximum per frame is NaN or infinite exactly when one of its values is.
        if not np.all(np.max(rows, axis=1) < np.inf):
            raise InputError("log_probs must not hold NaN or infinity. Check the model's weights.")
        yield first, rows.astype(np.float32, copy=False)


def best_tokens(rows: NDArray[np.float32], blank_id: int) -> NDArray[np.float32]:
    """Return the log-probability of each frame's best token, blanks aside, shape (T,)."""
    others = np.delete(rows, blank_id, axis=1)
    best: NDArray[np.float32] = others.max(axis=1, initial=MIN_LOG_PROB)
    return best
