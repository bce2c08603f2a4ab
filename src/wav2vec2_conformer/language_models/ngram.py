"""Back-off n-gram models in a few flat arrays.

An n-gram is a node of a tree in which the first word hangs below the root, and each further word
below the word before it. Nodes are numbered level by level and, within a level, in the order of
their keys (number of the parent, number of the last word), so that the children of a node lie
side by side. Each node also points to the longest n-gram that ends as it does, the one to go
on with when a word does not follow: the "failure link" of Aho and Corasick 1975. A state of the
model is then one number, that of the node of its last words.

A node takes 20 bytes, one of the highest order 12.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.language_models.word_list import MARKERS, WordList

_ROOT = 0
_MAX_NODES = 2**32 - 1
_CHUNK_ROWS = 1 << 20
# What KenLM gives unknown words where a model has no <unk>: 10 to the power of -100.
MISSING_UNKNOWN_LOG10 = -100.0
_LN_10 = float(np.log(10.0))


class NgramError(InputError):
    """An n-gram of a level cannot be used; `row` is its place in the level."""

    def __init__(self, message: str, row: int) -> None:
        super().__init__(message)
        self.row = row


class NgramModel:
    """Scores words with a back-off n-gram model. A `LanguageModel`.

    Build it level by level: all unigrams, then `add_level` for each longer n-gram. A word that
    the model does not know is scored as `<unk>`; a model without one gives it 10 to the power
    of -100, as KenLM does. Without `<s>` an utterance starts without context.

    Args:
        words: The words of the unigrams.
        log10_probs: Their logarithms to the base of 10, as ARPA files have them, shape (words,).
        log10_backoffs: The logarithms of their back-off weights, shape (words,).

    Raises:
        NgramError: When a word is given twice.
    """

    def __init__(
        self, words: Sequence[str], log10_probs: NDArray[Any], log10_backoffs: NDArray[Any]
    ) -> None:
        self._word_ids: dict[str, int] = {}
        for row, word in enumerate(words):
            if self._word_ids.setdefault(word, row) != row:
                raise NgramError(f"the word {word!r} is there twice", row)
        unknown_id = self._word_ids.get("<unk>", self._word_ids.get("<UNK>"))
        if unknown_id is None:
            unknown_id = self._word_ids["<unk>"] = len(words)
            log10_probs = np.append(log10_probs, MISSING_UNKNOWN_LOG10)
            log10_backoffs = np.append(log10_backoffs, 0.0)
        self._unknown_id = unknown_id
        self.word_list = WordList(self._word_ids)
        self.order = 0
        self._log_probs = array("f", [0.0])
        self._backoffs = array("f", [0.0])
        self._links = array("I", [_ROOT])
        self._keys = np.empty(0, dtype=np.uint64)  # of all nodes but the root
        num_words = len(self._word_ids)
        self._append(
            np.arange(num_words, dtype=np.uint64),
            np.full(num_words, _ROOT, dtype=np.uint32),
            log10_probs,
            log10_backoffs,
        )

    @property
    def num_ngrams(self) -> int:
        """N-grams of all lengths together."""
        return len(self._log_probs) - 1

    def add_level(
        self, ids: NDArray[Any], log10_probs: NDArray[Any], log10_backoffs: NDArray[Any]
    ) -> None:
        """Add all n-grams that are one word longer than those so far.

        Args:
            ids: Positions of their words in the list of words, shape (n-grams, n), any order.
            log10_probs: Shape (n-grams,).
            log10_backoffs: Shape (n-grams,).

        Raises:
            NgramError: An n-gram is there twice, or its first n - 1 words are no n-gram.
        """
        num_words = np.uint64(len(self._word_ids))
        parents = np.empty(len(ids), dtype=np.uint32)
        for rows in _chunks(len(ids)):
            parents[rows] = self._find_parents(ids[rows])
        orphans = np.flatnonzero(parents == _ROOT)
        if orphans.size:
            raise NgramError("its first words are no n-gram of the model", int(orphans[0]))
        keys = parents * num_words + ids[:, -1].astype(np.uint64)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        repeated = np.flatnonzero(keys[1:] == keys[:-1])
        if repeated.size:
            raise NgramError("it is there twice", int(order[repeated[0] + 1]))
        links = np.empty(len(ids), dtype=np.uint32)
        for rows in _chunks(len(ids)):
            links[rows] = self._find_links(keys[rows] // num_words, keys[rows] % num_words)
        self._append(keys, links, log10_probs[order], log10_backoffs[order])

    def _find(self, nodes: NDArray[np.uint64], word_ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return the child of each node for a word, the root where there is none."""
        keys = nodes * np.uint64(len(self._word_ids)) + word_ids
        places = np.searchsorted(self._keys, keys)
        is_found = self._keys[np.minimum(places, len(self._keys) - 1)] == keys
        found: NDArray[np.uint64] = np.where(is_found, places + 1, _ROOT).astype(np.uint64)
        return found

    def _find_parents(self, ids: NDArray[Any]) -> NDArray[np.uint64]:
        """Return the nodes of the first n - 1 words, the root where there is none."""
        parents = np.full(len(ids), _ROOT, dtype=np.uint64)
        is_found = np.ones(len(ids), dtype=np.bool_)
        for column in range(ids.shape[1] - 1):
            parents = self._find(parents, ids[:, column].astype(np.uint64))
            is_found &= parents != _ROOT
        parents[~is_found] = _ROOT
        return parents

    def _find_links(
        self, parents: NDArray[np.uint64], word_ids: NDArray[np.uint64]
    ) -> NDArray[np.uint64]:
        """Return the longest n-grams that end as the children of nodes do."""
        all_links = np.frombuffer(self._links, dtype=np.uint32)
        nodes = all_links[parents].astype(np.uint64)
        links = self._find(nodes, word_ids)
        pending = np.flatnonzero(links == _ROOT)
        while pending.size:  # every word is a unigram: the root ends this
            nodes[pending] = all_links[nodes[pending]]
            links[pending] = self._find(nodes[pending], word_ids[pending])
            pending = pending[links[pending] == _ROOT]
        return links

    def _append(
        self,
        keys: NDArray[np.uint64],
        links: NDArray[np.uint32],
        log10_probs: NDArray[Any],
        log10_backoffs: NDArray[Any],
    ) -> None:
        self._keys = np.concatenate([self._keys, keys])
        if len(self._keys) > _MAX_NODES:
            raise InputError(f"a model may have {_MAX_NODES} n-grams, but this one has more.")
        self._top = len(self._log_probs)  # the first node of the highest order
        self._links.frombytes(links.tobytes())
        self._log_probs.frombytes((log10_probs * _LN_10).astype(np.float32).tobytes())
        self._backoffs.frombytes((log10_backoffs * _LN_10).astype(np.float32).tobytes())
        num_words = np.uint64(len(self._word_ids))
        self._words = array("I", [0])
        self._words.frombytes((self._keys % num_words).astype(np.uint32).tobytes())
        firsts = np.searchsorted(self._keys, np.arange(self._top + 1, dtype=np.uint64) * num_words)
        self._first_children = array("I", (firsts + 1).astype(np.uint32).tobytes())
        self.order += 1

    def finish(self) -> None:
        """Give back the memory that only `add_level` needs. No level can be added after."""
        self._keys = np.empty(0, dtype=np.uint64)
        del self._backoffs[self._top :]

    def start(self) -> int:
        """Return the state at the start of an utterance."""
        word_id = self._word_ids.get("<s>")
        return _ROOT if word_id is None else self._shorten(1 + word_id)

    def score(self, state: int, word: str) -> tuple[float, int]:
        """Return the log-probability of a word after a state, and the state after it."""
        word_id = self._word_ids.get(word, self._unknown_id)
        log_prob = 0.0
        while True:
            child = self._child(state, word_id)
            if child != _ROOT:
                return log_prob + self._log_probs[child], self._shorten(child)
            log_prob += self._backoffs[state]
            state = self._links[state]

    def score_end(self, state: int) -> float:
        """Return the log-probability that the utterance ends after a state."""
        return self.score(state, "</s>")[0]

    def __contains__(self, word: str) -> bool:
        """Whether the model knows a word."""
        return word in self._word_ids and word not in MARKERS

    def has_prefix(self, prefix: str) -> bool:
        """Whether the model knows a word that begins so."""
        return self.word_list.has_prefix(prefix)

    def _child(self, node: int, word_id: int) -> int:
        if node == _ROOT:
            return 1 + word_id
        end = self._first_children[node + 1]
        child = bisect_left(self._words, word_id, self._first_children[node], end)
        return child if child < end and self._words[child] == word_id else _ROOT

    def _shorten(self, node: int) -> int:
        """Return the longest end of an n-gram that makes a difference to what follows."""
        while node >= self._top or (
            node != _ROOT
            and self._first_children[node] == self._first_children[node + 1]
            and self._backoffs[node] == 0.0
        ):
            node = self._links[node]
        return node


def _chunks(num_rows: int) -> Iterator[slice]:
    for first in range(0, num_rows, _CHUNK_ROWS):
        yield slice(first, first + _CHUNK_ROWS)
