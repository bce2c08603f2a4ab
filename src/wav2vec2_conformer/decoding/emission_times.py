"""When tokens were emitted on the best path to each beam, as rows that link back in time."""

from array import array

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.decoding.parent_links import find_needed, find_trunk, number_rows

_MAX_ROWS = 1 << 14


class EmissionTimes:
    """Rows that stand for the frames of a token and of all tokens before it.

    Row 0 stands for no token. The frame in which a token ends is known when the path leaves
    it, so a row holds the end of the token before.
    """

    def __init__(self) -> None:
        self._num_rows = 1
        self._max_rows = _MAX_ROWS
        # Rows: the token before, its end, this token's start.
        self._links = np.zeros((3, 256), dtype=np.int64)
        self._past_starts = array("q")
        self._past_ends = array("q")

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._num_rows

    @property
    def is_crowded(self) -> bool:
        """Whether it is time to call `compact`."""
        return self._num_rows > self._max_rows

    def add(
        self, before: NDArray[np.int64], ends_before: NDArray[np.int64], start_frame: int
    ) -> NDArray[np.int64]:
        """Add a token that starts after each of some tokens, and return the rows.

        Args:
            before: Rows of the tokens before, shape (N,).
            ends_before: The frames after them, shape (N,).
            start_frame: First frame of the new tokens.
        """
        first, end = self._num_rows, self._num_rows + len(before)
        self._reserve(end)
        self._links[0, first:end] = before
        self._links[1, first:end] = ends_before
        self._links[2, first:end] = start_frame
        self._num_rows = end
        return np.arange(first, end)

    def add_one(self, before: int, end_before: int, start_frame: int) -> int:
        """Add one token after another and return its row."""
        row = self._num_rows
        self._reserve(row + 1)
        self._links[0, row] = before
        self._links[1, row] = end_before
        self._links[2, row] = start_frame
        self._num_rows = row + 1
        return row

    def compact(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Forget all rows but some and those before them; return the new number of each row.

        What all of them share is written down and forgotten, too.
        """
        parents = self._links[0, : self._num_rows]
        kept = find_needed(parents, rows)
        trunk = find_trunk(parents, rows, kept)
        for row in trunk[1:]:
            self._write_down(row)
        kept = kept[len(trunk) - 1 :]
        numbers = number_rows(kept, self._num_rows)
        links = self._links[:, kept]
        links[0] = np.maximum(numbers[links[0]], 0)
        self._num_rows = len(kept)
        self._links[:, : len(kept)] = links
        if len(kept) > self._max_rows // 2:
            self._max_rows = 2 * len(kept)
        return numbers

    def frames(self, row: int, end_frame: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first frames of all tokens up to a row, and the frames after them.

        Args:
            row: Row of the last token.
            end_frame: The frame after it.
        """
        starts: list[int] = []
        ends = [end_frame]
        while row:
            before, end, start = self._links[:, row].tolist()
            starts.append(start)
            ends.append(end)
            row = before
        if not self._past_starts:
            ends.pop()
        return (
            np.array([*self._past_starts, *reversed(starts)], dtype=np.int64),
            np.array([*self._past_ends, *reversed(ends)], dtype=np.int64),
        )

    def _reserve(self, num_rows: int) -> None:
        if num_rows > self._links.shape[1]:
            extra = max(num_rows, 2 * self._links.shape[1]) - self._links.shape[1]
            fresh = np.zeros((3, extra), dtype=np.int64)
            self._links = np.concatenate([self._links, fresh], axis=1)

    def _write_down(self, row: int) -> None:
        _, end_before, start = self._links[:, row].tolist()
        if self._past_starts:
            self._past_ends.append(end_before)
        self._past_starts.append(start)
