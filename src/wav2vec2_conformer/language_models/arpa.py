r"""Reading ARPA files, the text format of n-gram models, plain or compressed with gzip.

The format, from the manual of SRILM (ngram-format(5)): `\data\`, a line `ngram N=COUNT` for each
length, a section `\N-grams:` for each with lines of log10 probability, words and, but for the
longest, log10 back-off weight; `\end\`.
"""

import itertools
import re
import zlib
from array import array
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.language_models.ngram import NgramError, NgramModel
from wav2vec2_conformer.text.compression import unpack

MAX_ORDER = 12
# No text of people comes near these; a damaged or hostile file must not fill the memory.
_MAX_LINE_BYTES = 1 << 20
_MAX_HEADER_LINES = 10_000
_COUNT = re.compile(rb"ngram\s+(\d{1,3})\s*=\s*(\d{1,12})")
_MAX_SHOWN = 80


def read_arpa(path: str | Path) -> NgramModel:
    """Read a model.

    Args:
        path: An ARPA file, plain or gzip. The first n - 1 words of every n-gram must be an
            n-gram of the file, as all tools write it; the last n - 1 words need not.

    Returns:
        The model, with natural logarithms.

    Raises:
        InputError: The file cannot be read or is damaged; the message names the line.
    """
    with _ArpaLines(path) as lines:
        counts = lines.read_header()
        words, probs, backoffs = lines.read_words(counts[0])
        word_ids = {word.encode(): row for row, word in enumerate(words)}
        model = NgramModel(words, probs, backoffs)
        for order, count in enumerate(counts[1:], start=2):
            lines.expect(f"\\{order}-grams:")
            ids, probs, backoffs = lines.read_ngrams(order, count, word_ids)
            try:
                model.add_level(ids, probs, backoffs)
            except NgramError as error:
                raise lines.error(str(error), error.row) from error
        lines.expect("\\end\\")
    model.finish()
    return model


def read_arpa_words(path: str | Path) -> list[str]:
    """Read the words of a model and nothing after them.

    Raises:
        InputError: The file cannot be read, or is damaged before the end of its words.
    """
    with _ArpaLines(path) as lines:
        return lines.read_words(lines.read_header()[0])[0]


class _ArpaLines:
    """The lines of an ARPA file with their numbers. A context manager."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._number = 0
        self._section_start = 0

    def __enter__(self) -> Self:
        """Open the file, which may be compressed whatever its name says."""
        try:
            self._file = self._path.open("rb")
            self._lines = unpack(self._file)
        except OSError as error:
            raise InputError(
                f"{self._path}: the language model cannot be read: {error.strerror}."
            ) from error
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._lines.close()
        self._file.close()

    def error(self, message: str, row: int | None = None) -> InputError:
        """Return an error at a row of the section that was read last, or at the current line."""
        number = self._number if row is None else self._section_start + row
        return InputError(f"{self._path}, line {number}: {message}")

    def read_header(self) -> list[int]:
        """Read up to the heading of the unigrams; return the number of n-grams of each length."""
        while self._read_line() != b"\\data\\":
            if self._number > _MAX_HEADER_LINES:
                raise self.error("there is no line \\data\\ so far. Is this an ARPA file?")
        counts: list[int] = []
        while (line := self._read_line()) != b"\\1-grams:":
            match = _COUNT.fullmatch(line)
            if match and int(match[1]) == len(counts) + 1 <= MAX_ORDER:
                counts.append(int(match[2]))
            elif line:
                raise self.error(
                    f"expected \\1-grams: or ngram {len(counts) + 1}=COUNT (lengths up to "
                    f"{MAX_ORDER}), got {_show(line)}"
                )
        if not counts or not counts[0]:
            raise self.error("the header counts no words (ngram 1=COUNT)")
        return counts

    def read_words(self, count: int) -> tuple[list[str], NDArray[np.float32], NDArray[np.float32]]:
        """Read the unigrams: words, log10 probabilities, log10 back-off weights."""
        # A word that was not there before gets the next number.
        word_ids: defaultdict[bytes, int] = defaultdict(itertools.count().__next__)
        ids, probs, backoffs = self.read_ngrams(1, count, word_ids)
        repeated = np.flatnonzero(np.diff(ids[:, 0].astype(np.int64), prepend=-1) != 1)
        if repeated.size:
            raise self.error("this word is there twice", int(repeated[0]))
        words = []
        for row, word in enumerate(word_ids):
            try:
                words.append(word.decode())
            except UnicodeDecodeError as error:
                raise self.error(f"the word {word!r} is not UTF-8", row) from error
        return words, probs, backoffs

    def read_ngrams(
        self, order: int, count: int, word_ids: Mapping[bytes, int]
    ) -> tuple[NDArray[np.uint32], NDArray[np.float32], NDArray[np.float32]]:
        """Read a section: word numbers (n-grams, order), log10 probabilities and back-offs."""
        ids, probs, backoffs = array("I"), array("f"), array("f")
        self._section_start = self._number + 1
        for _ in range(count):
            line = self._read_line()
            fields = line.split()
            try:
                # No weight: 0, that no longer n-gram begins so.
                backoffs.append(float(fields.pop()) if len(fields) == order + 2 else 0.0)
                log10_prob, *words = fields
                probs.append(float(log10_prob))
                ids.extend([word_ids[word] for word in words])
            except KeyError as error:
                raise self.error(f"the word {_show(error.args[0])} is no unigram") from error
            except ValueError as error:
                raise self._malformed(line, order, count) from error
            if len(words) != order:
                raise self._malformed(line, order, count)
        section = (
            np.array(ids, dtype=np.uint32).reshape(count, order),
            np.array(probs, dtype=np.float32),
            np.array(backoffs, dtype=np.float32),
        )
        wrong = np.flatnonzero(~(np.isfinite(section[1]) & (section[1] <= 0)))
        if wrong.size:
            raise self.error(
                f"a log10 probability must be finite and not above 0, got {probs[wrong[0]]:g}",
                int(wrong[0]),
            )
        wrong = np.flatnonzero(~np.isfinite(section[2]))
        if wrong.size:
            raise self.error("a back-off weight must be finite", int(wrong[0]))
        return section

    def expect(self, heading: str) -> None:
        """Read up to a heading, over empty lines alone."""
        while not (line := self._read_line()):
            pass
        if line != heading.encode():
            raise self.error(
                f"expected {heading} after as many n-grams as the header counts, got {_show(line)}"
            )

    def _malformed(self, line: bytes, order: int, count: int) -> InputError:
        return self.error(
            f"expected one of the {count} {order}-grams that the header counts: log10 "
            f"probability, {order} words, log10 back-off weight; got {_show(line)}"
        )

    def _read_line(self) -> bytes:
        self._number += 1
        try:
            line = self._lines.readline(_MAX_LINE_BYTES)
        except (EOFError, OSError, zlib.error) as error:
            raise self.error(f"the file is damaged: {error}") from error
        if not line:
            raise self.error("the file ends too early. Was it copied or downloaded in part?")
        if len(line) == _MAX_LINE_BYTES:
            raise self.error(f"the line is longer than {_MAX_LINE_BYTES} bytes")
        return line.strip()


def _show(text: bytes) -> str:
    """Return what a line says, as far as it fits in a message."""
    shown = text.decode(errors="backslashreplace")
    return repr(shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}...")
