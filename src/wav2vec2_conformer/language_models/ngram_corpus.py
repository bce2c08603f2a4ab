"""A text as a file of word numbers."""

import logging
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from wav2vec2_conformer.errors import InputError

_log = logging.getLogger(__name__)
UNKNOWN_ID, START_ID, END_ID = 0, 1, 2
MARKERS = ("<unk>", "<s>", "</s>")
_WRITTEN_TOKENS = 1 << 20


@dataclass(frozen=True, slots=True)
class Corpus:
    """Sentences of word numbers, each between `<s>` and `</s>`.

    Attributes:
        path: File of little-endian numbers of 32 bits, as the words were met.
        words: `<unk>`, `<s>`, `</s>`, then the vocabulary, the most frequent words first.
        renumbering: From numbers in the file to places in `words`.
        num_sentences: Lines with a word.
        num_tokens: Words of the text, markers not counted.
        num_unknown: Those that are not in the vocabulary.
    """

    path: Path
    words: tuple[str, ...]
    renumbering: NDArray[np.uint32]
    num_sentences: int
    num_tokens: int
    num_unknown: int

    def iter_ngrams(
        self, order: int, *, block_tokens: int, at_start: bool = False
    ) -> Iterator[NDArray[np.uint32]]:
        """Yield the n-grams of all sentences, shape (n-grams, order), in blocks.

        Args:
            order: Words of an n-gram.
            block_tokens: Tokens in memory at a time.
            at_start: Only those that begin with `<s>`.
        """
        tokens = np.empty(0, dtype=np.uint32)
        with self.path.open("rb") as file:
            while len(block := np.fromfile(file, dtype="<u4", count=block_tokens)):
                tokens = np.concatenate([tokens, self.renumbering[block]])
                if len(tokens) < order:
                    continue
                windows = sliding_window_view(tokens, order)
                # A window that crosses the end of a sentence holds <s> behind its first place.
                is_kept = (windows[:, 1:] != START_ID).all(axis=1)
                if at_start:
                    is_kept &= windows[:, 0] == START_ID
                yield windows[is_kept]
                tokens = tokens[len(tokens) - order + 1 :]


def number_text(lines: Iterable[str], path: Path, *, vocabulary_size: int | None = None) -> Corpus:
    """Number the words of a text and write the numbers to a file.

    Words are what stands between white space; lines without a word are passed over. `<s>` and
    `</s>` in the text are markers that another tool has set, and dropped; `<unk>` is a word that
    is not known. Memory holds each different word once.

    Args:
        lines: Sentences.
        path: The file.
        vocabulary_size: Keep so many of the most frequent words (of words equally frequent,
            those first in the order of their letters); all others become `<unk>`. None keeps
            all.

    Raises:
        InputError: The text has no words.
    """
    numbers: dict[str, int] = {word: number for number, word in enumerate(MARKERS)}
    counts = np.zeros(0, dtype=np.int64)
    num_sentences = 0
    tokens = array("I")

    def write() -> None:
        nonlocal counts
        met = np.bincount(np.array(tokens, dtype=np.uint32), minlength=len(numbers))
        met[: len(counts)] += counts
        counts = met
        np.array(tokens, dtype="<u4").tofile(file)
        del tokens[:]

    with path.open("wb") as file:
        for line in lines:
            # NUL is the one character of a word that ARPA files cannot hold.
            words = [word for word in line.replace("\0", " ").split() if word not in MARKERS[1:]]
            if not words:
                continue
            num_sentences += 1
            tokens.append(START_ID)
            tokens.extend([numbers.setdefault(word, len(numbers)) for word in words])
            tokens.append(END_ID)
            if len(tokens) >= _WRITTEN_TOKENS:
                write()
        write()
    if not num_sentences:
        raise InputError("the text has no words. Give plain text, one sentence a line.")
    met_words = list(numbers)
    num_tokens = int(counts.sum()) - 2 * num_sentences
    ranked = sorted(range(len(MARKERS), len(met_words)), key=lambda n: (-counts[n], met_words[n]))[
        :vocabulary_size
    ]
    renumbering = np.full(len(met_words), UNKNOWN_ID, dtype=np.uint32)
    kept = np.array([*range(len(MARKERS)), *ranked])
    renumbering[kept] = np.arange(len(kept))
    _log.info(
        "%d sentences, %d words, %d different ones, %d of them kept",
        num_sentences,
        num_tokens,
        len(numbers) - len(MARKERS),
        len(ranked),
    )
    return Corpus(
        path=path,
        words=tuple(met_words[number] for number in kept),
        renumbering=renumbering,
        num_sentences=num_sentences,
        num_tokens=num_tokens,
        num_unknown=num_tokens - int(counts[kept[len(MARKERS) :]].sum()),
    )
