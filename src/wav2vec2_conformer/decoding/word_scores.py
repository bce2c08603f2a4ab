"""What language model and hot words say of the words of a search, looked up by number.

A *part* is the beginning of a word (`word_parts`). A *context* is what counts of the words
before it: as many as the language model looks back on, and the hot words that have begun.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.decoding.hot_words import HotWords, Progress
from wav2vec2_conformer.decoding.word_parts import EMPTY, WordParts
from wav2vec2_conformer.language_models.language_model import LanguageModel

_MAX_CLOSED = 1 << 17


@dataclass(frozen=True, slots=True)
class WordWeights:
    """What adds to the score of a text, word by word.

    Attributes:
        language_model: None for none.
        alpha: Weight of its log-probabilities, not negative.
        beta: Added for each word, with a language model.
        unknown_word_score: Added for each word that the language model does not know.
        unknown_part_score: What the beginning of a word is worth for now where the language
            model knows no word that begins so; not positive.
        hot_words: None for none.
    """

    language_model: LanguageModel | None
    alpha: float
    beta: float
    unknown_word_score: float
    unknown_part_score: float
    hot_words: HotWords | None

    @property
    def most_as_part(self) -> float:
        """The most that the beginning of a word is worth."""
        return self.hot_words.most_part if self.hot_words else 0.0

    @property
    def most_as_word(self) -> float:
        """The most that a finished word adds, with the hot words that begin after it.

        Log-probabilities are not positive.
        """
        most = self.hot_words.most_word + self.hot_words.most_part if self.hot_words else 0.0
        if self.language_model is not None:
            most += self.beta + max(0.0, self.unknown_word_score)
        return most

    def worth(self, text: str, progress: Progress = ()) -> float | None:
        """Return what the beginning of a word is worth for now; None when it leads nowhere.

        Args:
            text: The beginning of the word.
            progress: The hot words that had begun before it.
        """
        if self.hot_words is not None:
            credit = self.hot_words.credit(progress, text)
            if credit > 0:
                return credit
        if not text or self.language_model is None or self.language_model.has_prefix(text):
            return 0.0
        return None


class SharedParts:
    """Keeps the parts that searches with the same weights share.

    Args:
        tokens: Text of each token.
        blank_id: Number of the CTC blank.
        weights: What they are worth.
    """

    def __init__(self, tokens: Sequence[str], *, blank_id: int, weights: WordWeights) -> None:
        self._tokens = tokens
        self._blank_id = blank_id
        self._weights = weights
        self._parts = self._begin()

    def get(self) -> WordParts:
        """Return parts with room for more."""
        if self._parts.is_crowded:
            # Searches that use the old ones may go on with them.
            self._parts = self._begin()
        return self._parts

    def _begin(self) -> WordParts:
        return WordParts(
            self._tokens,
            blank_id=self._blank_id,
            worth=self._weights.worth,
            most=self._weights.most_as_part,
            unknown_score=self._weights.unknown_part_score,
            most_as_word=self._weights.most_as_word,
        )


class WordScores:
    """Scores the words of one utterance, each word once in each context.

    Context 0 is the start of the utterance.

    Args:
        weights: What adds to the score.
        shared_parts: The parts of words.
        delimiter_id: Number of the token that ends a word; the size of the vocabulary where
            there is none.

    Attributes:
        is_scoring: Whether anything adds to the scores.
    """

    def __init__(
        self, weights: WordWeights, shared_parts: SharedParts, *, delimiter_id: int
    ) -> None:
        self._weights = weights
        self._shared_parts = shared_parts
        self._parts = shared_parts.get()
        self._delimiter_id = delimiter_id
        model = weights.language_model
        self._has_phrases = weights.hot_words is not None and weights.hot_words.has_phrases
        self.is_scoring = model is not None or weights.hot_words is not None
        self._most_as_unknown = weights.most_as_word + min(0.0, weights.unknown_word_score)
        self._num_history = max(1, model.order - 1 if model else 0)
        start: tuple[tuple[str, ...], Progress] = ((), ())
        self._contexts = [start]
        self._context_numbers = {start: 0}
        self._states: list[Any] = [model.start() if model else None]
        self._closed: dict[tuple[int, int], tuple[float, int]] = {}

    @property
    def is_crowded(self) -> bool:
        """Whether it is time to call `compact`."""
        return self._parts.is_crowded or len(self._closed) > _MAX_CLOSED

    def peek(
        self, contexts: NDArray[np.int64], parts: NDArray[np.int64], tokens: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return what each token would add to each beam, or an upper bound of it.

        Args:
            contexts: Context of each beam, shape (B,).
            parts: Part of each beam, shape (B,).
            tokens: Tokens to try, shape (K,).

        Returns:
            What a token finishes and begins is worth, shape (B, K); and where that is exact.
        """
        longer = self._parts.find(parts[:, None], tokens)
        is_exact = longer >= 0
        bounds = self._parts.bounds[parts][:, None]
        worths = np.where(is_exact, self._parts.worths[longer], bounds)
        if self._has_phrases:
            has_begun = [bool(self._contexts[context][1]) for context in contexts.tolist()]
            worths[has_begun] = self._weights.most_as_part
            is_exact[has_begun] = False
        for column in (tokens == self._delimiter_id).nonzero()[0].tolist():
            worths[:, column] = self._parts.word_bounds[parts]
            is_exact[:, column] = False
        return worths, is_exact

    def extend(
        self,
        contexts: NDArray[np.int64],
        parts: NDArray[np.int64],
        tokens: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Add a token to each of some beams.

        Args:
            contexts: Contexts of the beams, shape (N,).
            parts: Their parts, shape (N,).
            tokens: The tokens, shape (N,).

        Returns:
            The contexts and parts after the tokens; what the words add that they finish; and
            what the new parts are worth for now. All of shape (N,).
        """
        added = np.zeros(len(parts))
        is_end = tokens == self._delimiter_id
        ends = is_end.nonzero()[0]
        if len(ends):
            contexts = contexts.copy()
            longer = np.full(len(parts), EMPTY, dtype=np.int64)
            longer[~is_end] = self._parts.extend(parts[~is_end], tokens[~is_end])
            keys = zip(contexts[ends].tolist(), parts[ends].tolist(), strict=True)
            for i, key in zip(ends.tolist(), keys, strict=True):
                added[i], contexts[i] = self._closed.get(key) or self._close(key)
        else:
            longer = self._parts.extend(parts, tokens)
        worths = self._parts.worths[longer]
        if self._has_phrases:
            for i, context in enumerate(contexts.tolist()):
                if self._contexts[context][1]:
                    worths[i] = self._worth_after(context, int(longer[i]))
        return contexts, longer, added, worths

    def extend_one(self, context: int, part: int, token: int) -> tuple[int, int, float, float]:
        """Add a token to one beam. Returns what `extend` returns of it."""
        added = 0.0
        longer = EMPTY
        if token == self._delimiter_id:
            key = context, part
            added, context = self._closed.get(key) or self._close(key)
        else:
            longer = self._parts.extend_one(part, token)
        if self._has_phrases and self._contexts[context][1]:
            return context, longer, added, self._worth_after(context, longer)
        return context, longer, added, float(self._parts.worths[longer])

    def end(self, context: int, part: int) -> float:
        """Return what the end of the utterance adds, a word that it finishes included."""
        added = 0.0
        if part != EMPTY:
            added, context = self._close((context, part))
        if self._weights.language_model is not None:
            log_prob = self._weights.language_model.score_end(self._states[context])
            added += self._weights.alpha * log_prob
        return added

    def compact(
        self, contexts: NDArray[np.int64], parts: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Forget all but some contexts and parts; return their new numbers."""
        kept, new_contexts = np.unique(contexts, return_inverse=True)
        self._contexts = [self._contexts[context] for context in kept.tolist()]
        self._states = [self._states[context] for context in kept.tolist()]
        self._context_numbers = {key: number for number, key in enumerate(self._contexts)}
        self._closed = {}
        old, self._parts = self._parts, self._shared_parts.get()
        if self._parts is old:
            return new_contexts, parts
        return new_contexts, self._parts.copy_from(old, parts)

    def _worth_after(self, context: int, part: int) -> float:
        worth = self._weights.worth(self._parts.texts[part], self._contexts[context][1])
        return float(self._parts.worths[part]) if worth is None else worth

    def _close(self, key: tuple[int, int]) -> tuple[float, int]:
        """Return what a finished word adds, and the context after it."""
        context, part = key
        word = self._parts.texts[part]
        history, progress = self._contexts[context]
        weights, added, state = self._weights, 0.0, None
        if weights.language_model is not None:
            log_prob, state = weights.language_model.score(self._states[context], word)
            added = weights.alpha * log_prob + weights.beta
            if word not in weights.language_model:
                added += weights.unknown_word_score
                self._parts.word_bounds[part] = self._most_as_unknown
        if weights.hot_words is not None:
            weight, progress = weights.hot_words.advance(progress, word)
            added += weight
        after = ((*history, word)[-self._num_history :], progress)
        number = self._context_numbers.setdefault(after, len(self._contexts))
        if number == len(self._contexts):
            self._contexts.append(after)
            self._states.append(state)
        self._closed[key] = added, number
        return added, number
