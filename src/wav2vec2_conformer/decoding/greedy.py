"""Greedy CTC decoding: the best token of each frame, repeats collapsed, blanks dropped.

Paper: Graves et al. 2006, "Connectionist Temporal Classification", Section 3.2 (best path
decoding), https://www.cs.toronto.edu/~graves/icml_2006.pdf.

Shapes used in this file:
    T  frames
    V  vocabulary
    U  tokens of the result
"""

from array import array
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


class GreedyDecoder:
    """Decodes one utterance along its best path, block after block.

    The sizes of the blocks do not change the result, and nothing but the result is kept.

    Args:
        blank_id: Number of the CTC blank.
    """

    def __init__(self, *, blank_id: int = 0) -> None:
        self._blank_id = blank_id
        self._num_frames = 0
        self._last_token = blank_id
        self._token_ids = array("q")
        self._start_frames = array("q")
        self._end_frames = array("q")

    def advance(self, log_probs: NDArray[Any]) -> None:
        """Decode the next frames.

        Args:
            log_probs: Log-probabilities or logits of shape (T, V), padding removed. T may be
                0. Where two tokens are equally likely, the one with the lower number wins.

        Raises:
            InputError: When there are not two axes, the blank is not in the vocabulary, or a
                value is NaN or plus infinity.
        """
        check_log_probs(log_probs, self._blank_id)
        if not len(log_probs):
            return
        best = np.argmax(log_probs, axis=1)
        starts = np.flatnonzero(np.diff(best, prepend=-1))
        ends = np.append(starts[1:], len(best))
        tokens = best[starts]
        if tokens[0] == self._last_token != self._blank_id:
            # The token that the block before ended with goes on.
            self._end_frames[-1] += int(ends[0])
            starts, ends, tokens = starts[1:], ends[1:], tokens[1:]
        kept = tokens != self._blank_id
        self._token_ids.extend(tokens[kept].tolist())
        self._start_frames.extend((starts[kept] + self._num_frames).tolist())
        self._end_frames.extend((ends[kept] + self._num_frames).tolist())
        self._last_token = int(best[-1])
        self._num_frames += len(best)

    def finish(self) -> TokenSpans:
        """Return the tokens of all frames so far, in order of time."""
        return TokenSpans(
            np.array(self._token_ids, dtype=np.int64),
            np.array(self._start_frames, dtype=np.int64),
            np.array(self._end_frames, dtype=np.int64),
        )


def decode_greedy(log_probs: NDArray[Any], *, blank_id: int = 0) -> TokenSpans:
    """Decode one whole utterance: `GreedyDecoder` in one step.

    Args:
        log_probs: As `GreedyDecoder.advance` takes them.
        blank_id: Number of the CTC blank.

    Returns:
        The tokens, in order of time.

    Raises:
        InputError: As `GreedyDecoder.advance`.
    """
    decoder = GreedyDecoder(blank_id=blank_id)
    decoder.advance(log_probs)
    return decoder.finish()


def check_log_probs(log_probs: NDArray[Any], blank_id: int) -> None:
    """Refuse what no search can decode.

    Args:
        log_probs: Log-probabilities or logits of shape (T, V).
        blank_id: Number of the CTC blank.

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
