"""The beginnings of words that searches meet, numbered, with what they are worth for now."""

from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.decoding.prefix_tree import PrefixTree

EMPTY, ENDLESS = 0, 1
"""The part before a word's first token, and the one that stands for all that are too long."""

# Longer than words are. What is never closed, in a language without spaces or by a model that
# has not learnt them, must not fill the memory.
_MAX_LENGTH = 100
_USUAL_LENGTH = 6
_ENDLESS_WORD = "\N{REPLACEMENT CHARACTER}"
_MAX_PARTS = 1 << 16


class WordParts:
    """Numbers the beginnings of words. Part 0 is the empty one.

    Searches share them, also those in other threads: what has a number keeps it, and with it
    its worth.

    Args:
        tokens: Text of each token.
        blank_id: Number of the CTC blank.
        worth: Returns what the beginning of a word is worth for now; None where no known word
            begins so, nor any that is longer.
        most: Largest result of `worth`.
        unknown_score: What a beginning of no known word is worth, times its length / 6 beyond
            6 characters; not positive.
        most_as_word: The most that a finished word adds.

    Attributes:
        texts: The characters of each part.
        worths: What each part is worth.
        bounds: The most that longer parts without a number are worth.
        word_bounds: The most that each part adds as a finished word, for all that is known.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        *,
        blank_id: int,
        worth: Callable[[str], float | None],
        most: float,
        unknown_score: float,
        most_as_word: float,
    ) -> None:
        self._tokens = tokens
        self._worth = worth
        self._most = most
        self._unknown_score = unknown_score
        self._most_as_word = most_as_word
        self._lock = Lock()
        self.texts = ["", _ENDLESS_WORD]
        self.worths: NDArray[np.float64] = np.zeros(256)
        self.bounds: NDArray[np.float64] = np.full(256, most)
        self.word_bounds: NDArray[np.float64] = np.full(256, most_as_word)
        self._tree = PrefixTree(len(tokens), max_rows=_MAX_PARTS)
        # The blank never extends a word, so its place below the root is free.
        self._tree.add_one(EMPTY, blank_id)
        self._tree.children[ENDLESS] = ENDLESS
        self._appraise(ENDLESS, worth(_ENDLESS_WORD))

    @property
    def is_crowded(self) -> bool:
        """Whether it is time to begin anew."""
        return self._tree.is_crowded

    def find(self, parts: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the numbers of parts with one token more, -1 for new ones; broadcasts."""
        return self._tree.children[parts, tokens]

    def extend(self, parts: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of parts with one token more; new ones get numbers.

        Args:
            parts: Shape (N,).
            tokens: Shape (N,).
        """
        longer = self._tree.children[parts, tokens].astype(np.int64)
        new = (longer < 0).nonzero()[0]
        if len(new):
            pairs = zip(parts[new].tolist(), tokens[new].tolist(), strict=True)
            with self._lock:
                longer[new] = [self._find_or_add(part, token) for part, token in pairs]
        return longer

    def extend_one(self, part: int, token: int) -> int:
        """Return the number of one part with one token more."""
        longer = int(self._tree.children[part, token])
        if longer < 0:
            with self._lock:
                longer = self._find_or_add(part, token)
        return longer

    def copy_from(self, other: "WordParts", parts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers that parts of another object have here."""
        numbers = np.full(len(parts), ENDLESS, dtype=np.int64)
        for place, part in enumerate(parts.tolist()):
            if part != ENDLESS:
                here = EMPTY
                for token in other._tree.path(part):  # noqa: SLF001  of this class
                    here = self.extend_one(here, token)
                numbers[place] = here
        self._tree.make_room()
        return numbers

    def _find_or_add(self, part: int, token: int) -> int:
        number = int(self._tree.children[part, token])
        if number >= 0:  # another thread, or a beam before this one, was here first
            return number
        text = self.texts[part] + self._tokens[token]
        if len(text) > _MAX_LENGTH:
            self._tree.children[part, token] = ENDLESS
            return ENDLESS
        number = len(self.texts)
        self.texts.append(text)
        is_lost = self.worths[part] < 0
        self._appraise(number, None if is_lost else self._worth(text))
        # Last, since another thread may look parts up at any time.
        return self._tree.add_one(part, token)

    def _appraise(self, number: int, worth: float | None) -> None:
        """Note what a part is worth, and how much longer ones can be at most."""
        if number >= len(self.worths):
            self.worths = np.append(self.worths, np.zeros(number))
            self.bounds = np.append(self.bounds, np.full(number, self._most))
            self.word_bounds = np.append(self.word_bounds, np.full(number, self._most_as_word))
        if worth is None:
            length = len(self.texts[number])
            worth = self._unknown_score * max(1.0, length / _USUAL_LENGTH)
            self.bounds[number] = self._unknown_score * max(1.0, (length + 1) / _USUAL_LENGTH)
        self.worths[number] = worth
