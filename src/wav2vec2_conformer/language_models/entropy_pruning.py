"""Leaving out the n-grams that matter least.

Paper: Stolcke 1998, "Entropy-based Pruning of Backoff Language Models",
https://arxiv.org/abs/cs/0006025. The probability of a context is its share of the text: the
lower orders of a Kneser-Ney model, which the paper would take, are no probabilities of words
in running text (Chelba et al. 2010, https://research.google/pubs/pub36471).
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.language_models.ngram_rows import (
    AscendingLookup,
    context_dtype,
    count_key_bytes,
    drop_first,
    find_group_starts,
    iter_groups,
    ngram_dtype,
    unpack_keys,
)

# Mass that no follower of a context has: never 0 in truth, but rounding may say so.
_MIN_MASS = 1e-12
# Losses are sorted into so many classes between these powers of 10.
_NUM_CLASSES = 20_000
_MIN_LOG10, _MAX_LOG10 = -20.0, 0.0
# "-1.23456\t", and a line break; a back-off weight takes as much as a probability.
_NUMBER_BYTES, _BREAK_BYTES = 9, 1


def measure_loss(
    probs: NDArray[np.float64],
    lower: NDArray[np.float64],
    group: NDArray[np.intp],
    *,
    backoffs: NDArray[np.float64],
    context_probs: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return how much the model loses with each n-gram: relative entropy in nats, equation 3.

    Args:
        probs: Probabilities of the n-grams, shape (N,).
        lower: Those without their first word, shape (N,).
        group: Context of each n-gram, shape (N,).
        backoffs: Back-off weights of the contexts, shape (C,).
        context_probs: Probabilities of the contexts, shape (C,).
    """
    num_contexts = len(backoffs)
    left = np.maximum(1 - np.bincount(group, probs, num_contexts), _MIN_MASS)[group]
    lower_left = np.maximum(1 - np.bincount(group, lower, num_contexts), _MIN_MASS)[group]
    log_backoff = np.log(np.maximum(backoffs, _MIN_MASS))[group]
    new_log_backoff = np.log(left + probs) - np.log(lower_left + lower)
    change = probs * (np.log(lower) + new_log_backoff - np.log(probs))
    change += left * (new_log_backoff - log_backoff)
    loss: NDArray[np.float64] = -context_probs[group] * change
    return loss


class LossClasses:
    """How many bytes of ARPA text the n-grams of each class of loss take.

    Args:
        words: The vocabulary.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._word_bytes = np.array([len(word.encode()) + 1 for word in words])
        self._num_bytes = np.zeros(_NUM_CLASSES, dtype=np.int64)
        self._unigram_bytes = int(self._word_bytes.sum()) + len(words) * 2 * _NUMBER_BYTES

    def add(self, ids: NDArray[np.uint32], losses: NDArray[np.float64]) -> None:
        """Count n-grams: word numbers, shape (N, n), and losses, shape (N,)."""
        num_bytes = self._word_bytes[ids].sum(axis=1) + _NUMBER_BYTES + _BREAK_BYTES
        self._add(losses, num_bytes)

    def add_backoffs(self, losses: NDArray[np.float64]) -> None:
        """Count back-off weights, each of a context that is needed at this loss or below."""
        self._add(losses, np.full(len(losses), _NUMBER_BYTES))

    def _add(self, losses: NDArray[np.float64], num_bytes: NDArray[np.int64]) -> None:
        logs = np.log10(np.maximum(losses, 10.0**_MIN_LOG10))
        places = (logs - _MIN_LOG10) / (_MAX_LOG10 - _MIN_LOG10) * _NUM_CLASSES
        classes = np.clip(places.astype(np.intp), 0, _NUM_CLASSES - 1)
        self._num_bytes += np.bincount(classes, num_bytes, _NUM_CLASSES).astype(np.int64)

    def find_threshold(self, max_bytes: float) -> float:
        """Return the smallest threshold that keeps no more text than this; 0 keeps all."""
        kept = self._unigram_bytes + np.cumsum(self._num_bytes[::-1])[::-1]
        too_many = np.flatnonzero(kept > max_bytes)
        if not too_many.size:
            return 0.0
        step = (_MAX_LOG10 - _MIN_LOG10) / _NUM_CLASSES
        return float(10.0 ** (_MIN_LOG10 + (too_many[-1] + 1) * step))


def share_losses(folder: Path, order: int, words: Sequence[str], *, block_rows: int) -> LossClasses:
    """Give each n-gram in `ngrams.N` the largest loss of all that begin or end with it.

    What is kept at a threshold is then a model again: every n-gram with its first words, whose
    back-off weight it needs, and with its last, without which KenLM may refuse the file.
    """
    word_bytes = count_key_bytes(len(words))
    classes = LossClasses(words)
    for length in range(order, 1, -1):
        path = folder / f"ngrams.{length}"
        dtype = ngram_dtype(length * word_bytes)
        needed_dtype = context_dtype((length - 1) * word_bytes)
        followers = None
        if length < order:
            followers = AscendingLookup(
                folder / f"needed.{length + 1}",
                context_dtype(length * word_bytes),
                "value",
                block_rows=block_rows,
                default=0.0,
            )
        shared_path = folder / "shared"
        with (
            shared_path.open("wb") as shared_file,
            (folder / f"needed.{length}").open("wb") as needed_file,
        ):
            for rows, contexts, starts in iter_groups(path, dtype, block_rows, word_bytes):
                if followers is not None:
                    rows["loss"] = np.maximum(rows["loss"], followers.find(rows["key"]))
                if length > 2:  # noqa: PLR2004  words themselves are always kept
                    shorter = folder / f"ngrams.{length - 1}"
                    _raise_losses(
                        shorter,
                        ngram_dtype((length - 1) * word_bytes),
                        drop_first(rows["key"], word_bytes),
                        rows["loss"],
                        block_rows=block_rows,
                    )
                rows.tofile(shared_file)
                needed = np.empty(len(starts), dtype=needed_dtype)
                needed["key"] = contexts
                needed["value"] = np.maximum.reduceat(rows["loss"], starts)
                needed.tofile(needed_file)
                classes.add(unpack_keys(rows["key"], word_bytes), rows["loss"])
                classes.add_backoffs(needed["value"])
        shared_path.replace(path)
    return classes


def _raise_losses(
    path: Path,
    dtype: np.dtype[Any],
    keys: NDArray[np.bytes_],
    losses: NDArray[np.float64],
    *,
    block_rows: int,
) -> None:
    """Raise the losses in a file to those of the same keys, in any order, where they are less."""
    order = np.argsort(keys, kind="stable")
    keys, losses = keys[order], losses[order]
    starts = find_group_starts(keys)
    keys, losses = keys[starts], np.maximum.reduceat(losses, starts)
    with path.open("r+b") as file:
        while len(keys) and len(rows := np.fromfile(file, dtype=dtype, count=block_rows)):
            known = np.ascontiguousarray(rows["key"])
            end = int(np.searchsorted(keys, known[-1], side="right"))
            places = np.searchsorted(known, keys[:end])
            rows["loss"][places] = np.maximum(rows["loss"][places], losses[:end])
            keys, losses = keys[end:], losses[end:]
            file.seek(-rows.nbytes, os.SEEK_CUR)
            rows.tofile(file)
            file.seek(0, os.SEEK_CUR)  # between writing and reading


def prune(
    folder: Path,
    target: Path,
    num_words: int,
    order: int,
    *,
    threshold: float,
    block_rows: int,
) -> list[int]:
    """Keep the n-grams whose loss reaches a threshold, and weigh the back-off anew.

    Args:
        folder: With `ngrams.N` as `share_losses` leaves them.
        target: Another folder, for `ngrams.N` and `contexts.N` of the smaller model.
        num_words: Words of the vocabulary, markers included.
        order: Longest n-gram.
        threshold: Relative entropy in nats.
        block_rows: Rows in memory at a time.

    Returns:
        Number of n-grams that are kept, of length 2 and longer.
    """
    word_bytes = count_key_bytes(num_words)
    num_kept = []
    for length in range(2, order + 1):
        kept = 0
        with (
            (target / f"ngrams.{length}").open("wb") as ngrams_file,
            (target / f"contexts.{length}").open("wb") as contexts_file,
        ):
            for rows, context_keys, starts in iter_groups(
                folder / f"ngrams.{length}",
                ngram_dtype(length * word_bytes),
                block_rows,
                word_bytes,
            ):
                is_kept = rows["loss"] >= threshold
                # With an n-gram its last words are kept, so `lower` is what it was.
                left = 1 - np.add.reduceat(np.where(is_kept, rows["prob"], 0.0), starts)
                lower_left = 1 - np.add.reduceat(np.where(is_kept, rows["lower"], 0.0), starts)
                has_followers = np.logical_or.reduceat(is_kept, starts)
                contexts = np.empty(len(starts), dtype=context_dtype((length - 1) * word_bytes))
                contexts["key"] = context_keys
                contexts["value"] = np.maximum(left, _MIN_MASS) / np.maximum(lower_left, _MIN_MASS)
                contexts[has_followers].tofile(contexts_file)
                rows[is_kept].tofile(ngrams_file)
                kept += int(is_kept.sum())
        num_kept.append(kept)
    return num_kept
