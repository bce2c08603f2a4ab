"""What forced alignment returns: where each token of a text lies in time.

Shapes used in this file:
    T  frames
    U  tokens of the text
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class AlignedPath:
    """The best CTC path through the tokens of a text.

    Attributes:
        states: What each frame belongs to, shape (T,), never falling: 2 i + 1 is token i, and
            2 i the gap before it (2 U after the last one).
        log_probs: Log-probability of what each frame emits on the path, shape (T,).
        is_star: Whether a frame holds a token that is not in the text, shape (T,).
        num_tokens: Number of tokens U.
        score: Sum of `log_probs`, less the penalties for frames that are not in the text.
            Natural logarithm.
    """

    states: NDArray[np.int32]
    log_probs: NDArray[np.float32]
    is_star: NDArray[np.bool_]
    num_tokens: int
    score: float

    def token_spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first frame of each token and the frame after its last, shapes (U,)."""
        return self._spans(2 * np.arange(self.num_tokens) + 1)

    def gap_spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return first frame and frame after the last of each gap, shapes (U + 1,).

        An empty gap starts and ends at the frame where its token starts.
        """
        return self._spans(2 * np.arange(self.num_tokens + 1))

    def token_confidences(self) -> NDArray[np.float64]:
        """Return the mean probability of each token over its frames, shape (U,)."""
        starts, ends = self.token_spans()
        sums = np.append(0.0, np.cumsum(np.exp(self.log_probs, dtype=np.float64)))
        return (sums[ends] - sums[starts]) / (ends - starts)

    def _spans(self, states: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        starts = np.searchsorted(self.states, states, side="left")
        ends = np.searchsorted(self.states, states, side="right")
        return starts, ends
