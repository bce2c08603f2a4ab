"""Counting the n-grams of a text in bounded memory, by sorting on disk.

An n-gram has two counts. `occurrences` is how often it is in the text. `adjusted` is the one
that Kneser-Ney smoothing works with: for the longest n-grams, and for those that begin with
`<s>`, before which nothing can stand, the same; for the others the number of different words
that stand before it. So each length follows from the next: an (n+1)-gram adds its occurrences,
and 1, to the n-gram that it ends with.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.language_models.ngram_corpus import Corpus
from wav2vec2_conformer.language_models.ngram_rows import (
    Rows,
    count_dtype,
    count_key_bytes,
    drop_first,
    find_group_starts,
    iter_blocks,
    pack_keys,
    rows_in,
)

_log = logging.getLogger(__name__)


def count_ngrams(
    corpus: Corpus,
    order: int,
    folder: Path,
    *,
    memory_bytes: int,
) -> None:
    """Count the n-grams of all lengths into the files `counts.N` of a folder, sorted.

    Args:
        corpus: The text.
        order: Longest n-gram.
        folder: For the results, and temporary files on the way.
        memory_bytes: For the rows that are being sorted.
    """
    word_bytes = count_key_bytes(len(corpus.words))
    for length in range(order, 0, -1):
        dtype = count_dtype(length * word_bytes)
        block_rows = rows_in(memory_bytes, dtype)
        sorter = _CountSorter(folder, dtype, block_rows)
        for ids in corpus.iter_ngrams(
            length, block_tokens=block_rows // 4, at_start=length < order
        ):
            ones = np.ones(len(ids), dtype=np.int64)
            sorter.add(pack_keys(ids, word_bytes), ones, ones)
        if length < order:
            longer = count_dtype((length + 1) * word_bytes)
            for rows in iter_blocks(folder / f"counts.{length + 1}", longer, block_rows // 4):
                ones = np.ones(len(rows), dtype=np.int64)
                sorter.add(drop_first(rows["key"], word_bytes), rows["occurrences"], ones)
        num_ngrams = sorter.finish(folder / f"counts.{length}")
        _log.info("%d different %d-grams", num_ngrams, length)


class _CountSorter:
    """Sorts rows in blocks on disk, merges the blocks, and adds up equal keys."""

    def __init__(self, folder: Path, dtype: np.dtype[Any], max_rows: int) -> None:
        self._folder = folder
        self._dtype = dtype
        self._max_rows = max_rows
        self._waiting: list[Rows] = []
        self._num_waiting = 0
        self._runs: list[Path] = []

    def add(
        self,
        keys: NDArray[np.bytes_],
        occurrences: NDArray[np.int64],
        adjusted: NDArray[np.int64],
    ) -> None:
        rows = np.empty(len(keys), dtype=self._dtype)
        rows["key"], rows["occurrences"], rows["adjusted"] = keys, occurrences, adjusted
        self._waiting.append(rows)
        self._num_waiting += len(rows)
        if self._num_waiting >= self._max_rows:
            self._write_run()

    def finish(self, path: Path) -> int:
        """Write everything to a file and return its number of rows."""
        self._write_run()
        num_rows = 0
        with path.open("wb") as file:
            for rows in _merge(self._runs, self._dtype, self._max_rows):
                rows.tofile(file)
                num_rows += len(rows)
        for run in self._runs:
            run.unlink()
        return num_rows

    def _write_run(self) -> None:
        rows = np.concatenate([np.empty(0, dtype=self._dtype), *self._waiting])
        self._waiting, self._num_waiting = [], 0
        run = self._folder / f"run.{len(self._runs)}"
        _add_up(rows).tofile(run)
        self._runs.append(run)


def _merge(runs: list[Path], dtype: np.dtype[Any], max_rows: int) -> Iterator[Rows]:
    """Yield the rows of sorted files in order, equal keys added up."""
    block_rows = max(1, max_rows // (2 * len(runs)))
    sources = [iter_blocks(run, dtype, block_rows) for run in runs]
    waiting = [next(source, None) for source in sources]
    while any(rows is not None for rows in waiting):
        # Rows up to the smallest of the last keys in memory: nothing before them can follow.
        bound = min(rows["key"][-1] for rows in waiting if rows is not None)
        ready = []
        for number, rows in enumerate(waiting):
            if rows is None:
                continue
            end = int(np.searchsorted(rows["key"], bound, side="right"))
            ready.append(rows[:end])
            waiting[number] = rows[end:] if end < len(rows) else next(sources[number], None)
        yield _add_up(np.concatenate(ready))


def _add_up(rows: Rows) -> Rows:
    """Return rows in the order of their keys, each key once."""
    keys = np.ascontiguousarray(rows["key"])
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = find_group_starts(keys)
    result = np.empty(len(starts), dtype=rows.dtype)
    if len(starts):
        result["key"] = keys[starts]
        for field in ("occurrences", "adjusted"):
            result[field] = np.add.reduceat(rows[field][order], starts)
    return result
