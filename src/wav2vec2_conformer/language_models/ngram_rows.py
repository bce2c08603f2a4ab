"""Files of n-grams in sorted order, read and joined in blocks: models larger than memory.

An n-gram's key is the numbers of its words as big-endian bytes, so that keys sort as n-grams
do, and the key of its first or last words is a part of its own. A file holds rows of one
structured type with the field `key`, each key once, ascending.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.void]
_ID_BYTES = 4
# Bytes that sorting takes for a byte of rows: the rows, their keys, the order, the result.
_SORT_FACTOR = 5
_MIN_ROWS = 1 << 10


def count_dtype(key_bytes: int) -> np.dtype[Any]:
    """Return the type of a row of counts (`ngram_counting`)."""
    return np.dtype([("key", f"S{key_bytes}"), ("occurrences", "<i8"), ("adjusted", "<i8")])


def ngram_dtype(key_bytes: int) -> np.dtype[Any]:
    """Return the type of a row of a model.

    `prob` is the probability of the last word after the others, `lower` that without the first
    of them, `loss` what the model loses with the n-gram (`entropy_pruning`).
    """
    fields = [("key", f"S{key_bytes}"), ("prob", "<f8"), ("lower", "<f8"), ("loss", "<f8")]
    return np.dtype(fields)


def context_dtype(key_bytes: int) -> np.dtype[Any]:
    """Return the type of a row for words that others follow: a number for each, as `value`."""
    return np.dtype([("key", f"S{key_bytes}"), ("value", "<f8")])


def rows_in(memory_bytes: int, dtype: np.dtype[Any]) -> int:
    """Return how many rows can be sorted in so much memory."""
    return max(_MIN_ROWS, memory_bytes // (_SORT_FACTOR * dtype.itemsize))


def count_key_bytes(num_words: int) -> int:
    """Return how many bytes of a key each word takes."""
    return max(1, (int(num_words - 1).bit_length() + 7) // 8)


def pack_keys(ids: NDArray[np.uint32], word_bytes: int) -> NDArray[np.bytes_]:
    """Return the keys of n-grams, shape (n-grams,), from word numbers, shape (n-grams, n)."""
    as_bytes = np.ascontiguousarray(ids, dtype=">u4").view(np.uint8)
    as_bytes = as_bytes.reshape(*ids.shape, _ID_BYTES)[:, :, _ID_BYTES - word_bytes :]
    return _join(as_bytes.reshape(len(ids), ids.shape[1] * word_bytes))


def unpack_keys(keys: NDArray[np.bytes_], word_bytes: int) -> NDArray[np.uint32]:
    """Return the word numbers of keys."""
    num_words = keys.dtype.itemsize // word_bytes
    padded = np.zeros((len(keys), num_words, _ID_BYTES), dtype=np.uint8)
    padded[:, :, _ID_BYTES - word_bytes :] = _split(keys).reshape(len(keys), num_words, word_bytes)
    return padded.view(">u4")[:, :, 0].astype(np.uint32)


def drop_first(keys: NDArray[np.bytes_], word_bytes: int) -> NDArray[np.bytes_]:
    """Return the keys of the n-grams without their first word."""
    return _join(_split(keys)[:, word_bytes:])


def drop_last(keys: NDArray[np.bytes_], word_bytes: int) -> NDArray[np.bytes_]:
    """Return the keys of the n-grams without their last word."""
    return _join(_split(keys)[:, :-word_bytes])


def _split(keys: NDArray[np.bytes_]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(keys).view(np.uint8).reshape(len(keys), keys.dtype.itemsize)


def _join(as_bytes: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    keys: NDArray[np.bytes_] = np.ascontiguousarray(as_bytes).view(f"S{as_bytes.shape[1]}")
    return keys[:, 0]


def find_group_starts(keys: NDArray[np.bytes_]) -> NDArray[np.intp]:
    """Return where runs of equal keys start."""
    if not len(keys):
        return np.empty(0, dtype=np.intp)
    return np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))


def iter_blocks(path: Path, dtype: np.dtype[Any], block_rows: int) -> Iterator[Rows]:
    """Yield the rows of a file, so many at a time."""
    with path.open("rb") as file:
        while len(rows := np.fromfile(file, dtype=dtype, count=block_rows)):
            yield rows


def iter_groups(
    path: Path, dtype: np.dtype[Any], block_rows: int, word_bytes: int
) -> Iterator[tuple[Rows, NDArray[np.bytes_], NDArray[np.intp]]]:
    """Yield rows so that n-grams with the same first n - 1 words stay together.

    Yields:
        Rows, about `block_rows` of them; the keys of their contexts, each once; and the row at
        which each context starts.
    """
    rest = np.empty(0, dtype=dtype)
    for rows in iter_blocks(path, dtype, block_rows):
        rest = np.concatenate([rest, rows])
        contexts = drop_last(rest["key"], word_bytes)
        starts = find_group_starts(contexts)
        last = starts[-1]  # may go on in the next block
        if last:
            yield rest[:last], contexts[starts[:-1]], starts[:-1]
            rest = rest[last:].copy()
    if len(rest):
        yield rest, drop_last(rest[:1]["key"], word_bytes), np.zeros(1, dtype=np.intp)


class AscendingLookup:
    """Finds the values of keys in a file that is read once from front to end.

    Args:
        path: The file.
        dtype: Its type.
        field: The field that is looked up, a number.
        block_rows: Rows in memory at a time.
        default: Value of keys that are not in the file.
    """

    def __init__(
        self, path: Path, dtype: np.dtype[Any], field: str, *, block_rows: int, default: float
    ) -> None:
        self._blocks = iter_blocks(path, dtype, block_rows)
        self._rows: Rows = np.empty(0, dtype=dtype)
        self._field = field
        self._default = default

    def find(self, keys: NDArray[np.bytes_]) -> NDArray[np.float64]:
        """Return a value for each key. Keys ascend, in a call and from call to call."""
        values = np.full(len(keys), self._default)
        num_done = 0
        while num_done < len(keys):
            if not len(self._rows) or self._rows["key"][-1] < keys[num_done]:
                rows = next(self._blocks, None)
                if rows is None:
                    break
                self._rows = rows
                continue
            known = np.ascontiguousarray(self._rows["key"])
            end = int(np.searchsorted(keys, known[-1], side="right"))
            asked = keys[num_done:end]
            places = np.searchsorted(known, asked)
            is_found = known[places] == asked
            values[num_done:end][is_found] = self._rows[self._field][places[is_found]]
            num_done = end
        return values


def look_up(
    keys: NDArray[np.bytes_], path: Path, dtype: np.dtype[Any], field: str, *, block_rows: int
) -> NDArray[np.float64]:
    """Return the values of keys in any order, NaN for those that are not in the file."""
    order = np.argsort(keys, kind="stable")
    lookup = AscendingLookup(path, dtype, field, block_rows=block_rows, default=np.nan)
    values = np.empty(len(keys))
    values[order] = lookup.find(keys[order])
    return values
