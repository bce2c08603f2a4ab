"""The words that a language model knows, sorted, for questions about how words begin."""

from bisect import bisect_left
from collections.abc import Iterable

# What n-gram models list among their words, and nobody says. "<UNK>" is KenLM's other spelling.
MARKERS = frozenset({"<s>", "</s>", "<unk>", "<UNK>"})


class WordList:
    """A set of words that also answers whether one of them begins in some way.

    Args:
        words: The words in any order; the markers `<s>`, `</s>` and `<unk>` are left out.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = sorted({word for word in words if word not in MARKERS})

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self._words)

    def __contains__(self, word: str) -> bool:
        """Whether a word is in the list."""
        position = bisect_left(self._words, word)
        return position < len(self._words) and self._words[position] == word

    def has_prefix(self, prefix: str) -> bool:
        """Whether a word of the list begins so; every list that has a word has the prefix ""."""
        position = bisect_left(self._words, prefix)
        return position < len(self._words) and self._words[position].startswith(prefix)
