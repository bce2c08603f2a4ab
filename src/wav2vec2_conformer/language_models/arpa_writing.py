"""Writing the files of a model as one ARPA file."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.language_models.ngram_rows import (
    AscendingLookup,
    context_dtype,
    count_key_bytes,
    iter_blocks,
    ngram_dtype,
    pack_keys,
    unpack_keys,
)

# What tools write for the probability of <s>, which is never predicted.
_NEVER_LOG10 = -99.0


def write_arpa(
    path: Path,
    folder: Path,
    words: Sequence[str],
    unigram_probs: NDArray[np.float64],
    counts: Sequence[int],
    *,
    block_rows: int,
) -> None:
    """Write a model, compressed with gzip if the name ends in `.gz`.

    Args:
        path: The ARPA file.
        folder: With `ngrams.N` and `contexts.N`, for N from 2 up.
        words: The vocabulary.
        unigram_probs: Probabilities of the words.
        counts: Number of n-grams of each length.
        block_rows: Rows in memory at a time.
    """
    with path.open("wb") as raw:
        if path.name.endswith(".gz"):
            # No name and no time inside: the same text makes the same bytes.
            with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
                _write(cast("IO[bytes]", file), folder, words, unigram_probs, counts, block_rows)
        else:
            _write(raw, folder, words, unigram_probs, counts, block_rows)


def _write(
    file: IO[bytes],
    folder: Path,
    words: Sequence[str],
    unigram_probs: NDArray[np.float64],
    counts: Sequence[int],
    block_rows: int,
) -> None:
    word_bytes = count_key_bytes(len(words))
    header = [f"ngram {length}={count}" for length, count in enumerate(counts, start=1)]
    file.write("\n".join(["\\data\\", *header, ""]).encode())
    order = len(counts)
    for length in range(1, order + 1):
        file.write(f"\n\\{length}-grams:\n".encode())
        backoffs = None
        if length < order:
            backoffs = AscendingLookup(
                folder / f"contexts.{length + 1}",
                context_dtype(length * word_bytes),
                "value",
                block_rows=block_rows,
                default=np.nan,
            )
        if length == 1:
            ids = np.arange(len(words), dtype=np.uint32)[:, None]
            keys = pack_keys(ids, word_bytes)
            file.write(
                _format(words, ids, unigram_probs, backoffs.find(keys) if backoffs else None)
            )
            continue
        dtype = ngram_dtype(length * word_bytes)
        for rows in iter_blocks(folder / f"ngrams.{length}", dtype, block_rows):
            ids = unpack_keys(rows["key"], word_bytes)
            found = backoffs.find(np.ascontiguousarray(rows["key"])) if backoffs else None
            file.write(_format(words, ids, rows["prob"], found))
    file.write(b"\n\\end\\\n")


def _format(
    words: Sequence[str],
    ids: NDArray[np.uint32],
    probs: NDArray[np.float64],
    backoffs: NDArray[np.float64] | None,
) -> bytes:
    """Return lines; n-grams that none follows get no back-off weight."""
    with np.errstate(divide="ignore"):
        log10_probs = np.log10(probs)
    log10_probs = np.where(probs > 0, np.minimum(log10_probs, 0.0), _NEVER_LOG10)
    texts = [" ".join([words[number] for number in row]) for row in ids.tolist()]
    numbers = log10_probs.tolist()
    if backoffs is None:
        lines = [f"{n:.5f}\t{text}\n" for n, text in zip(numbers, texts, strict=True)]
    else:
        weights = np.log10(backoffs).tolist()
        lines = [
            f"{n:.5f}\t{text}\t{w:.5f}\n" if w == w else f"{n:.5f}\t{text}\n"  # noqa: PLR0124  NaN
            for n, text, w in zip(numbers, texts, weights, strict=True)
        ]
    return "".join(lines).encode()
