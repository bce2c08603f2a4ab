"""What is kept of an utterance's log-probabilities to judge its words by.

Shapes used in this file:
    T  frames
    V  vocabulary
    K  likeliest tokens that are kept of each frame
    S  states of a word
"""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUM_KEPT = 8
_FIRST_FRAMES = 256


class EmissionHistory:
    """Keeps the likeliest tokens of each frame: 72 bytes a frame, whatever the vocabulary.

    All other tokens of a frame share what is left of its probability.

    Args:
        blank_id: Number of the CTC blank.
        silent_ids: Tokens that are no text, the blank may be among them. They count as blanks.
        delimiter_id: Number of the token between words; None where there is none.
    """

    def __init__(
        self, *, blank_id: int, silent_ids: Collection[int] = (), delimiter_id: int | None = None
    ) -> None:
        self._blank_id = blank_id
        self._silent_ids = sorted({blank_id, *silent_ids})
        self._delimiter_id = delimiter_id
        self._num_frames = 0
        self._tokens = np.empty((_FIRST_FRAMES, _NUM_KEPT), dtype=np.int32)
        self._values = np.empty((_FIRST_FRAMES, _NUM_KEPT), dtype=np.float32)
        self._others = np.empty(_FIRST_FRAMES, dtype=np.float32)
        self._silence = np.empty(_FIRST_FRAMES, dtype=np.float32)

    def __len__(self) -> int:
        """Return the number of frames."""
        return self._num_frames

    def append(self, log_probs: NDArray[Any]) -> None:
        """Add the next frames.

        Args:
            log_probs: Natural log-probabilities of shape (T, V).
        """
        num_new, num_tokens = log_probs.shape
        if not num_new:
            return
        log_probs = log_probs.astype(np.float32)
        log_probs[:, self._blank_id] = np.logaddexp.reduce(log_probs[:, self._silent_ids], axis=1)
        first, end = self._num_frames, self._num_frames + num_new
        self._reserve(end)
        num_kept = min(_NUM_KEPT, num_tokens)
        kept = np.argpartition(-log_probs, num_kept - 1, axis=1)[:, :num_kept]
        values = np.take_along_axis(log_probs, kept, axis=1)
        self._tokens[first:end] = -1
        self._tokens[first:end, :num_kept] = kept
        self._values[first:end] = -np.inf
        self._values[first:end, :num_kept] = values
        left = np.maximum(1.0 - np.exp(values).sum(axis=1), np.finfo(np.float32).tiny)
        self._others[first:end] = np.log(left / max(1, num_tokens - num_kept))
        self._silence[first:end] = log_probs[:, self._blank_id]
        if self._delimiter_id is not None:
            delimiter = log_probs[:, self._delimiter_id]
            self._silence[first:end] = np.logaddexp(self._silence[first:end], delimiter)
        self._num_frames = end

    def silence(self, start: int, end: int) -> NDArray[np.float32]:
        """Return the log-probability that frames hold a blank or a delimiter, shape (T,)."""
        return self._silence[start:end]

    def emissions(self, start: int, end: int, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the log-probabilities of tokens in some frames.

        Args:
            start: First frame.
            end: The frame after the last one.
            tokens: Numbers of tokens, shape (S,).

        Returns:
            Natural logarithms of shape (T, S).
        """
        is_there = self._tokens[start:end, :, None] == tokens  # (T, K, S)
        values = np.where(is_there, self._values[start:end, :, None], -np.inf).max(axis=1)
        return np.where(is_there.any(axis=1), values, self._others[start:end, None])

    def _reserve(self, num_frames: int) -> None:
        size = len(self._others)
        if num_frames <= size:
            return
        size = max(num_frames, 2 * size)
        for name in ("_tokens", "_values", "_others", "_silence"):
            old = getattr(self, name)
            new = np.empty((size, *old.shape[1:]), dtype=old.dtype)
            new[: self._num_frames] = old[: self._num_frames]
            setattr(self, name, new)
