"""Interpolated, modified Kneser-Ney smoothing of counted n-grams.

Papers: Chen and Goodman 1998, "An Empirical Study of Smoothing Techniques for Language
Modeling", https://dash.harvard.edu/handle/1/25104739, Section 3 (three discounts, from counts
of counts); Heafield et al. 2013, "Scalable Modified Kneser-Ney Language Model Estimation",
https://aclanthology.org/P13-2121, for work on disk and for pruning, whose mass goes to the
back-off weight.

The probability of a word w after the words h, h' being h without its first word, is

    p(w | h) = (a(h w) - D(a(h w))) / sum of a(h .) + b(h) p(w | h')

with adjusted counts a. The back-off weight b(h) is the discounted mass. Below the unigrams
lies the uniform distribution over all words, `<unk>` and `</s>`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.language_models.entropy_pruning import measure_loss
from wav2vec2_conformer.language_models.ngram_corpus import START_ID
from wav2vec2_conformer.language_models.ngram_rows import (
    Rows,
    context_dtype,
    count_dtype,
    count_key_bytes,
    drop_first,
    iter_blocks,
    iter_groups,
    look_up,
    ngram_dtype,
    rows_in,
    unpack_keys,
)

_log = logging.getLogger(__name__)
# Where counts of counts allow no estimate: those of KenLM's option --discount_fallback.
_FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
_NUM_COUNTS = 4


@dataclass(frozen=True, slots=True)
class Discounts:
    """What is taken from adjusted counts.

    Attributes:
        values: Of counts 0, 1, 2, and 3 and more.
        is_fallback: Whether the counts of counts allowed no estimate.
    """

    values: tuple[float, float, float, float]
    is_fallback: bool


def estimate_discounts(counts_of_counts: Sequence[int]) -> Discounts:
    """Estimate the discounts of one length of n-grams.

    Args:
        counts_of_counts: How many n-grams have an adjusted count of 1, 2, 3 and 4.

    Returns:
        The estimates of Chen and Goodman; 0.5, 1 and 1.5 where no n-gram has the count 1, 2 or
        3, or an estimate is 0 or less, or above its count (texts that are tiny or made up).
    """
    n1, n2, n3, n4 = map(float, counts_of_counts)
    if min(n1, n2, n3) > 0:
        y = n1 / (n1 + 2 * n2)
        estimates = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
        # A discount of 0 would leave nothing to words that were not seen after others.
        if all(0 < estimate <= count for count, estimate in enumerate(estimates, start=1)):
            return Discounts((0.0, *estimates), is_fallback=False)
    return Discounts((0.0, *_FALLBACK_DISCOUNTS), is_fallback=True)


def smooth(
    folder: Path,
    order: int,
    num_words: int,
    *,
    prune: Sequence[int],
    memory_bytes: int,
) -> tuple[NDArray[np.float64], list[int]]:
    """Turn the files `counts.N` into `ngrams.N` and `contexts.N`, for N from 2 up.

    `ngrams.N` holds the n-grams that are kept, `contexts.N` the back-off weights of what
    stands before them.

    Args:
        folder: Where the files are.
        order: Longest n-gram.
        num_words: Words of the vocabulary, markers included.
        prune: For each length, n-grams that occur so often or less are left out: 0 for none.
            Never descending, and 0 for the unigrams.
        memory_bytes: For the rows in memory.

    Returns:
        Probabilities of the words, shape (num_words,), 0 for `<s>`; and how many n-grams of
        each length there are.
    """
    word_bytes = count_key_bytes(num_words)
    unigram_probs, discounts, num_tokens = _smooth_unigrams(folder, num_words, word_bytes)
    _log_level(1, num_words, discounts)
    counts = [num_words]
    for length in range(2, order + 1):
        counts_path = folder / f"counts.{length}"
        dtype = count_dtype(length * word_bytes)
        # Twice the room of sorting: probabilities are wider than counts.
        block_rows = rows_in(memory_bytes // 2, dtype)
        counts_of_counts = np.zeros(_NUM_COUNTS + 1, dtype=np.int64)
        for rows in iter_blocks(counts_path, dtype, block_rows):
            capped = np.minimum(rows["adjusted"], _NUM_COUNTS + 1)
            counts_of_counts += np.bincount(capped, minlength=_NUM_COUNTS + 2)[:-1]
        discounts = estimate_discounts(counts_of_counts[1:].tolist())
        num_kept = 0
        with (
            (folder / f"ngrams.{length}").open("wb") as ngrams_file,
            (folder / f"contexts.{length}").open("wb") as contexts_file,
        ):
            for rows, context_keys, starts in iter_groups(
                counts_path, dtype, block_rows, word_bytes
            ):
                is_kept = rows["occurrences"] > prune[length - 1]
                suffixes = drop_first(rows["key"][is_kept], word_bytes)
                if length == 2:  # noqa: PLR2004  the words themselves
                    lower = unigram_probs[unpack_keys(suffixes, word_bytes)[:, 0]]
                else:
                    lower = look_up(
                        suffixes,
                        folder / f"ngrams.{length - 1}",
                        ngram_dtype((length - 1) * word_bytes),
                        "prob",
                        block_rows=block_rows,
                    )
                ngrams, backoffs = _smooth_block(
                    rows, starts, is_kept, lower, discounts.values, num_tokens
                )
                ngrams.tofile(ngrams_file)
                num_kept += len(ngrams)
                contexts = np.empty(len(starts), dtype=context_dtype((length - 1) * word_bytes))
                contexts["key"], contexts["value"] = context_keys, backoffs
                contexts.tofile(contexts_file)
        counts_path.unlink()
        _log_level(length, num_kept, discounts)
        counts.append(num_kept)
    return unigram_probs, counts


def _log_level(length: int, num_kept: int, discounts: Discounts) -> None:
    _log.info(
        "%d %d-grams kept, discounts %.3f %.3f %.3f%s",
        num_kept,
        length,
        *discounts.values[1:],
        " (too little text to estimate them)" if discounts.is_fallback else "",
    )


def _smooth_unigrams(
    folder: Path, num_words: int, word_bytes: int
) -> tuple[NDArray[np.float64], Discounts, int]:
    """Return probabilities, discounts, and the number of words and ends in the text."""
    rows = np.fromfile(folder / "counts.1", dtype=count_dtype(word_bytes))
    ids = unpack_keys(rows["key"], word_bytes)[:, 0]
    adjusted = np.zeros(num_words, dtype=np.int64)
    adjusted[ids] = rows["adjusted"]
    adjusted[START_ID] = 0  # is never predicted
    counts_of_counts = np.bincount(adjusted, minlength=_NUM_COUNTS + 1)[1 : _NUM_COUNTS + 1]
    discounts = estimate_discounts(counts_of_counts.tolist())
    taken = np.array(discounts.values)[np.minimum(adjusted, 3)]
    backoff = taken.sum() / adjusted.sum()
    probs: NDArray[np.float64] = (adjusted - taken) / adjusted.sum() + backoff / (num_words - 1)
    probs[START_ID] = 0.0
    num_tokens = int(rows["occurrences"][ids != START_ID].sum())
    return probs, discounts, num_tokens


def _smooth_block(
    rows: Rows,
    starts: NDArray[np.intp],
    is_kept: NDArray[np.bool_],
    lower: NDArray[np.float64],
    discounts: Sequence[float],
    num_tokens: int,
) -> tuple[Rows, NDArray[np.float64]]:
    """Return the kept n-grams of whole contexts, and the back-off weight of each context."""
    adjusted = rows["adjusted"]
    group = np.zeros(len(rows), dtype=np.intp)
    group[starts[1:]] = 1
    group = np.cumsum(group)
    totals = np.add.reduceat(adjusted, starts)
    taken = np.where(is_kept, np.array(discounts)[np.minimum(adjusted, 3)], adjusted)
    backoffs: NDArray[np.float64] = np.add.reduceat(taken, starts) / totals
    context_probs = np.add.reduceat(rows["occurrences"], starts) / num_tokens

    group = group[is_kept]
    dtype = ngram_dtype(rows.dtype["key"].itemsize)
    ngrams = np.empty(len(group), dtype=dtype)
    ngrams["key"] = rows["key"][is_kept]
    ngrams["lower"] = lower
    ngrams["prob"] = (adjusted - taken)[is_kept] / totals[group] + backoffs[group] * lower
    ngrams["loss"] = measure_loss(
        ngrams["prob"], lower, group, backoffs=backoffs, context_probs=context_probs
    )
    return ngrams, backoffs
