"""Greedy CTC decoding: the best token of each frame, repeats collapsed, blanks dropped.

Paper: Graves et al. 2006, "Connectionist Temporal Classification", Section 3.2 (best path
decoding), https://www.cs.toronto.edu/~graves/icml_2006.pdf.

Shapes used in this file:
    T  frames
    V  vocabulary
    U  tokens of the result
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import InputError


@dataclass(frozen=True, slots=True)
class TokenSpans:
    """Tokens and the frames that emitted them.

    Attributes:
        token_ids: Shape (U,).
        start_frames: First frame of each token, shape (U,).
        end_frames: The frame after its last one, shape (U,).
    """

    token_ids: NDArray[np.int64]
    start_frames: NDArray[np.int64]
    end_frames: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.token_ids)


def decode_greedy(log_probs: NDArray[Any], *, blank_id: int = 0) -> TokenSpans:
    """Decode one utterance along its best path.

    Args:
        log_probs: Log-probabilities or logits of shape (T, V), padding removed. T may be 0.
            Where two tokens are equally likely, the one with the lower number wins.
        blank_id: Number of the CTC blank.

    Returns:
        The tokens, in order of time.

    Raises:
        InputError: When there are not two axes, the blank is not in the vocabulary, or a
            value is NaN or plus infinity.
    """
    if log_probs.ndim != 2:  # noqa: PLR2004  frames and vocabulary
        raise InputError(f"log_probs must have shape (T, V), but has shape {log_probs.shape}.")
    if not 0 <= blank_id < log_probs.shape[1]:
        raise InputError(
            f"blank_id must be a token number from 0 to {log_probs.shape[1] - 1}, but is "
            f"{blank_id}."
        )
    # One maximum per frame is NaN or infinite exactly when one of its values is.
    if not np.all(np.max(log_probs, axis=1) < np.inf):
        raise InputError("log_probs must not hold NaN or infinity. Check the model's weights.")
    best = np.argmax(log_probs, axis=1)
    is_start = np.diff(best, prepend=-1) != 0
    starts = np.flatnonzero(is_start)
    ends = np.append(starts[1:], len(best))
    tokens = best[starts]
    kept = tokens != blank_id
    return TokenSpans(tokens[kept], starts[kept], ends[kept] if len(best) else starts)
