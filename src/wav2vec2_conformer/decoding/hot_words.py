"""Words and phrases that a search favours.

What a hot word adds to the score of a finished text: its weight for each place where its words
stand there one after another as whole words. Hot words that overlap all count.

While a word still grows, the part of a hot word that is there counts in proportion:
`weight * characters that match / characters of the hot word`, the best of all hot words; a
negative weight counts at the end alone. Where the match fails this is taken back, so it decides
what the search keeps, never what a finished text is worth.
"""

import math
from collections.abc import Mapping

from wav2vec2_conformer.errors import InputError

Progress = tuple[tuple[int, int], ...]
"""Phrases that have begun: their number and how many of their words are there."""


class HotWords:
    """Scores hot words one word after another.

    Args:
        weights: Natural logarithm that each word or phrase adds; the words of a phrase are
            separated by spaces.

    Raises:
        InputError: When a hot word is empty or a weight is not finite.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._phrases: list[tuple[str, ...]] = []
        self._weights: list[float] = []
        self._num_characters: list[int] = []
        self._starting: dict[str, list[int]] = {}
        self._first_word_credit: dict[str, float] = {}
        for text, weight in weights.items():
            words = tuple(text.split())
            if not words:
                raise InputError(f"a hot word must hold characters, but is {text!r}.")
            if not math.isfinite(weight):
                raise InputError(f"the weight of {text!r} must be finite, but is {weight}.")
            self._starting.setdefault(words[0], []).append(len(self._phrases))
            self._phrases.append(words)
            self._weights.append(float(weight))
            self._num_characters.append(sum(map(len, words)))
            for end in range(1, len(words[0]) + 1):
                part = words[0][:end]
                credit = self._credit(len(self._phrases) - 1, end)
                self._first_word_credit[part] = max(credit, self._first_word_credit.get(part, 0.0))

    def __len__(self) -> int:
        """Return the number of hot words."""
        return len(self._phrases)

    @property
    def most_part(self) -> float:
        """The most that the beginning of a word is worth."""
        return max(0.0, *self._weights)

    @property
    def most_word(self) -> float:
        """The most that a finished word adds."""
        return sum(weight for weight in self._weights if weight > 0)

    @property
    def has_phrases(self) -> bool:
        """Whether any hot word is of several words."""
        return any(len(words) > 1 for words in self._phrases)

    def advance(self, progress: Progress, word: str) -> tuple[float, Progress]:
        """Return what a finished word adds, and what has begun after it.

        Args:
            progress: What had begun before the word; at the start of a text, `()`.
            word: The word.
        """
        added = 0.0
        begun: list[tuple[int, int]] = []
        continued = [(phrase, count) for phrase, count in progress]
        continued += [(phrase, 0) for phrase in self._starting.get(word, ())]
        for phrase, count in continued:
            words = self._phrases[phrase]
            if words[count] != word:
                continue
            if count + 1 == len(words):
                added += self._weights[phrase]
            else:
                begun.append((phrase, count + 1))
        return added, tuple(sorted(begun))

    def credit(self, progress: Progress, part: str) -> float:
        """Return what the beginning of a word is worth for now.

        Args:
            progress: What had begun before the word.
            part: Its first characters; empty between words.
        """
        best = self._first_word_credit.get(part, 0.0)
        for phrase, count in progress:
            words = self._phrases[phrase]
            if words[count].startswith(part):
                num_characters = sum(map(len, words[:count])) + len(part)
                best = max(best, self._credit(phrase, num_characters))
        return best

    def _credit(self, phrase: int, num_characters: int) -> float:
        return max(self._weights[phrase], 0.0) * num_characters / self._num_characters[phrase]
