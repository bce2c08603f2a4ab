"""From text to an n-gram language model in an ARPA file."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.language_models.arpa import MAX_ORDER
from wav2vec2_conformer.language_models.arpa_writing import write_arpa
from wav2vec2_conformer.language_models.entropy_pruning import prune, share_losses
from wav2vec2_conformer.language_models.kneser_ney import smooth
from wav2vec2_conformer.language_models.ngram_corpus import number_text
from wav2vec2_conformer.language_models.ngram_counting import count_ngrams
from wav2vec2_conformer.language_models.ngram_rows import count_key_bytes, ngram_dtype, rows_in

MIN_MEMORY_MB = 16
_MB = 1_000_000
# How the size of a file comes near its limit: the search ends within 5 % below it, aims at
# 2 % below, and gives up getting nearer after some attempts.
_NEAR, _AIM, _MAX_ATTEMPTS = 0.95, 0.98, 6
# Text compresses about so well; measured on the first attempt.
_GZIP_RATIO = 3.0


@dataclass(frozen=True, slots=True)
class BuiltModel:
    """What was built.

    Attributes:
        counts: Number of n-grams of each length.
        num_sentences: Sentences of the text.
        num_tokens: Words of the text.
        num_unknown: Those of them that the vocabulary leaves out.
        threshold: Relative entropy below which n-grams were left out, in nats; 0 for none.
        num_bytes: Size of the file.
    """

    counts: tuple[int, ...]
    num_sentences: int
    num_tokens: int
    num_unknown: int
    threshold: float
    num_bytes: int


def build_language_model(
    lines: Iterable[str],
    output: str | Path,
    *,
    order: int = 3,
    prune_counts: Sequence[int] = (0,),
    prune_threshold: float = 0.0,
    max_bytes: int | None = None,
    vocabulary_size: int | None = None,
    memory_mb: int = 512,
) -> BuiltModel:
    """Build a model with interpolated, modified Kneser-Ney smoothing.

    Memory holds the different words, and `memory_mb` for all else; the rest is in temporary
    files in the output's folder. The output is written whole or not at all. Stages are logged.

    Args:
        lines: Sentences, one a line, words between white space. Read once.
        output: ARPA file; compressed with gzip when its name ends in `.gz`.
        order: Longest n-gram, from 1 to 12. KenLM's packages read up to 6.
        prune_counts: N-grams that occur so often or less are left out: a number for each
            length from 1 up, none below the one before, the first 0. The last stands for all
            that follow.
        prune_threshold: N-grams are left out with which the model loses less relative entropy
            than this, in nats. 1e-8 is mild, 1e-6 strong.
        max_bytes: Largest size of the file; the threshold is raised until it fits.
        vocabulary_size: Keep so many of the most frequent words; None keeps all.
        memory_mb: Megabytes for sorting and joining, at least 16.

    Raises:
        InputError: An argument is out of range, the text has no words, the words alone take
            more than `max_bytes`, or the output cannot be written.
    """
    _check(order, prune_counts, prune_threshold, vocabulary_size, memory_mb)
    prune_counts = [*prune_counts, *[prune_counts[-1]] * order][:order]
    output = Path(output)
    memory_bytes = memory_mb * _MB
    try:
        with tempfile.TemporaryDirectory(prefix=".lm-", dir=output.parent) as temporary:
            folder = Path(temporary)
            corpus = number_text(lines, folder / "corpus", vocabulary_size=vocabulary_size)
            count_ngrams(corpus, order, folder, memory_bytes=memory_bytes)
            unigram_probs, counts = smooth(
                folder, order, len(corpus.words), prune=prune_counts, memory_bytes=memory_bytes
            )
            widest = ngram_dtype(order * count_key_bytes(len(corpus.words)))
            files = _ModelFiles(
                folder, corpus.words, unigram_probs, counts, rows_in(memory_bytes // 2, widest)
            )
            written = folder / f"model{'.gz' if output.name.endswith('.gz') else ''}"
            threshold = 0.0
            if prune_threshold or max_bytes is not None:
                files, threshold = _prune(files, written, prune_threshold, max_bytes)
            else:
                files.write(written)
            num_bytes = written.stat().st_size
            written.replace(output)
    except OSError as error:
        raise InputError(f"{output}: the language model cannot be written: {error}") from error
    return BuiltModel(
        counts=tuple(files.counts),
        num_sentences=corpus.num_sentences,
        num_tokens=corpus.num_tokens,
        num_unknown=corpus.num_unknown,
        threshold=threshold,
        num_bytes=num_bytes,
    )


@dataclass(frozen=True, slots=True)
class _ModelFiles:
    """A model in files of rows."""

    folder: Path
    words: Sequence[str]
    unigram_probs: NDArray[np.float64]
    counts: Sequence[int]
    block_rows: int

    def write(self, path: Path) -> None:
        write_arpa(
            path,
            self.folder,
            self.words,
            self.unigram_probs,
            self.counts,
            block_rows=self.block_rows,
        )


def _prune(
    files: _ModelFiles, written: Path, min_threshold: float, max_bytes: int | None
) -> tuple[_ModelFiles, float]:
    """Write the model without what matters least; return what is left, and the threshold."""
    order = len(files.counts)
    losses = share_losses(files.folder, order, files.words, block_rows=files.block_rows)
    target = files.folder / "pruned"
    target.mkdir()
    text_bytes = float("inf")
    if max_bytes is not None:
        text_bytes = max_bytes * (_GZIP_RATIO if written.suffix == ".gz" else 1.0)
    attempt = 0
    while True:
        attempt += 1
        threshold = max(min_threshold, losses.find_threshold(text_bytes))
        longer = prune(
            files.folder,
            target,
            len(files.words),
            order,
            threshold=threshold,
            block_rows=files.block_rows,
        )
        counts = [files.counts[0], *longer]
        pruned = _ModelFiles(target, files.words, files.unigram_probs, counts, files.block_rows)
        pruned.write(written)
        if max_bytes is None:
            return pruned, threshold
        num_bytes = written.stat().st_size
        is_near = num_bytes >= _NEAR * max_bytes or threshold == min_threshold
        if num_bytes <= max_bytes and (is_near or attempt >= _MAX_ATTEMPTS):
            return pruned, threshold
        if num_bytes > max_bytes and not any(longer):
            raise InputError(
                f"the {len(files.words)} words alone take {num_bytes} bytes, more than the "
                f"{max_bytes} that are allowed. Allow more, or limit the vocabulary."
            )
        text_bytes *= _AIM * max_bytes / num_bytes


def _check(
    order: int,
    prune_counts: Sequence[int],
    prune_threshold: float,
    vocabulary_size: int | None,
    memory_mb: int,
) -> None:
    if not 1 <= order <= MAX_ORDER:
        raise InputError(f"order must be from 1 to {MAX_ORDER}, but is {order}.")
    is_rising = list(prune_counts) == sorted(prune_counts)
    if not prune_counts or prune_counts[0] != 0 or not is_rising or len(prune_counts) > order:
        raise InputError(
            f"prune_counts (--prune) must be at most {order} numbers, the first 0 and none below "
            f"the one before, such as 0 0 1, but is {' '.join(map(str, prune_counts)) or 'empty'}."
        )
    if not 0 <= prune_threshold < 1:
        raise InputError(f"prune_threshold must be from 0 to below 1, but is {prune_threshold:g}.")
    if vocabulary_size is not None and vocabulary_size < 1:
        raise InputError(f"vocabulary_size must be at least 1, but is {vocabulary_size}.")
    if memory_mb < MIN_MEMORY_MB:
        raise InputError(f"memory_mb must be at least {MIN_MEMORY_MB}, but is {memory_mb}.")
