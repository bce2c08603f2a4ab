"""Sequences of tokens as rows of a tree that forgets what is no longer needed."""

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.decoding.parent_links import find_needed, find_trunk, number_rows

# Entries of the table of children, 4 bytes each: at first, and beyond which a tree is crowded
# (but not below some rows).
_FIRST_ENTRIES = 1 << 16
_MAX_ENTRIES = 1 << 22
_MIN_ROWS = 1 << 8


class PrefixTree:
    """Rows that stand for sequences of tokens; row 0 is the empty sequence.

    Args:
        num_tokens: Size of the vocabulary.
        max_rows: Rows beyond which the tree is crowded; fewer with a large vocabulary.

    Attributes:
        children: Row of each sequence one token longer, or -1; shape (rows, tokens).
    """

    def __init__(self, num_tokens: int, *, max_rows: int) -> None:
        self._max_rows = min(max_rows, max(_MIN_ROWS, _MAX_ENTRIES // num_tokens))
        self._num_rows = 1
        num_rows = max(4, min(_MIN_ROWS, _FIRST_ENTRIES // num_tokens))
        self._parents = np.zeros(num_rows, dtype=np.int64)
        self._tokens = np.full(num_rows, -1, dtype=np.int64)
        self.children: NDArray[np.int32] = np.full((num_rows, num_tokens), -1, dtype=np.int32)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._num_rows

    @property
    def is_crowded(self) -> bool:
        """Whether it is time to forget rows."""
        return self._num_rows > self._max_rows

    def add(self, parents: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add sequences that are not there yet and return their rows, which follow the last.

        Args:
            parents: Rows of the sequences one token shorter, shape (N,).
            tokens: Their last tokens, shape (N,).
        """
        first, end = self._num_rows, self._num_rows + len(parents)
        if end > len(self._parents):
            self._reserve(max(end, 2 * len(self._parents)))
        rows = np.arange(first, end)
        self._parents[first:end] = parents
        self._tokens[first:end] = tokens
        self.children[parents, tokens] = rows
        self._num_rows = end
        return rows

    def add_one(self, parent: int, token: int) -> int:
        """Add one sequence that is not there yet and return its row."""
        row = self._num_rows
        if row == len(self._parents):
            self._reserve(2 * row)
        self._parents[row] = parent
        self._tokens[row] = token
        self.children[parent, token] = row
        self._num_rows = row + 1
        return row

    def path(self, row: int) -> list[int]:
        """Return the tokens of a row."""
        tokens: list[int] = []
        while row:
            tokens.append(int(self._tokens[row]))
            row = int(self._parents[row])
        return tokens[::-1]

    def parent(self, row: int) -> int:
        """Return the row of the sequence one token shorter."""
        return int(self._parents[row])

    def compact(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[int]]:
        """Forget all rows but some and the beginnings of their sequences.

        The beginning that all of them share is forgotten, too: its end becomes row 0.

        Args:
            rows: The rows to keep.

        Returns:
            The new number of each row, -1 where there is none; and the tokens cut off.
        """
        kept = find_needed(self._parents[: self._num_rows], rows)
        trunk = find_trunk(self._parents, rows, kept)
        cut_tokens = self._tokens[trunk[1:]].tolist()
        # All that is needed grows from the end of the trunk, so the trunk comes first.
        kept = kept[len(trunk) - 1 :]
        numbers = number_rows(kept, self._num_rows)
        parents = np.maximum(numbers[self._parents[kept]], 0)
        tokens = self._tokens[kept]
        children = numbers[self.children[kept]]
        self._num_rows = len(kept)
        self.make_room()
        self._parents[: len(kept)] = parents
        self._tokens[: len(kept)] = tokens
        self.children[: len(kept)] = children
        self.children[len(kept) :] = -1
        return numbers, cut_tokens

    def make_room(self) -> None:
        """Allow for as many rows again, where those that are needed are many."""
        self._max_rows = max(self._max_rows, 2 * self._num_rows)

    def _reserve(self, num_rows: int) -> None:
        extra = num_rows - len(self._parents)
        self._parents = np.concatenate([self._parents, np.zeros(extra, dtype=np.int64)])
        self._tokens = np.concatenate([self._tokens, np.full(extra, -1, dtype=np.int64)])
        fresh = np.full((extra, self.children.shape[1]), -1, dtype=np.int32)
        self.children = np.concatenate([self.children, fresh])
