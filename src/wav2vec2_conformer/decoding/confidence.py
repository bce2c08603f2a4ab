"""How sure a model is of the words that were read from it, from 0 to 1.

The confidence of a word is the probability that its frames, and a few around them, say this
word and nothing else: the sum over all CTC alignments of its tokens there, with silence before
and after them (Graves et al. 2006, "Connectionist Temporal Classification", Section 4.1,
https://www.cs.toronto.edu/~graves/icml_2006.pdf). It ranks words better than the likeliest
token of each frame or its entropy do (Laptev and Ginsburg 2022, "Fast Entropy-Based Methods of
Word-Level Confidence Estimation for End-to-End Automatic Speech Recognition",
https://arxiv.org/abs/2212.08703): `benchmarks/confidence.py` measures all of them.

Shapes used in this file:
    T  frames of a word
    S  states of a word: a blank, a token, a blank, ..., a blank
    W  words
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.decoding.emission_history import EmissionHistory
from wav2vec2_conformer.decoding.words import WordSpan

# The frames around a word tell whether its ends are sure.
_MARGIN_FRAMES = 3
# Longer words are judged in pieces, so that an utterance without delimiters takes no more
# memory than words do.
_MAX_TOKENS = 32
_WORDS_AT_ONCE = 64


def word_confidences(
    history: EmissionHistory,
    words: Sequence[WordSpan],
    token_ids: Sequence[int],
    start_frames: Sequence[int],
    *,
    blank_id: int,
    per_token: bool = False,
) -> list[float]:
    """Return the confidence of each word of a reading.

    Args:
        history: The utterance's log-probabilities.
        words: The words, in order of time.
        token_ids: Numbers of the tokens that the words count.
        start_frames: First frame of each of them.
        blank_id: Number of the CTC blank.
        per_token: Take the geometric mean over a word's tokens. A language model spells words
            otherwise than the model hears them, long ones most of all, and is right more often
            the longer they are: so ranked, its words are told apart better.

    Returns:
        Numbers from 0 to 1.
    """
    pieces: list[_Piece] = []
    owners: list[int] = []
    for number, word in enumerate(words):
        # Without the frames of its neighbours.
        earliest = words[number - 1].end_frame if number else 0
        latest = words[number + 1].start_frame if number + 1 < len(words) else len(history)
        starts = [
            max(earliest, word.start_frame - _MARGIN_FRAMES),
            *start_frames[word.first_token + _MAX_TOKENS : word.end_token : _MAX_TOKENS],
        ]
        ends = [*starts[1:], min(latest, word.end_frame + _MARGIN_FRAMES)]
        for piece, (start, end) in enumerate(zip(starts, ends, strict=True)):
            first = word.first_token + piece * _MAX_TOKENS
            tokens = token_ids[first : min(first + _MAX_TOKENS, word.end_token)]
            pieces.append(_Piece(tokens, start, end))
            owners.append(number)
    log_probs = np.zeros(len(words))
    # Pieces of similar length together.
    order = sorted(range(len(pieces)), key=lambda i: pieces[i].start - pieces[i].end)
    for first in range(0, len(order), _WORDS_AT_ONCE):
        batch = order[first : first + _WORDS_AT_ONCE]
        results = _sum_alignments(history, [pieces[i] for i in batch], blank_id)
        np.add.at(log_probs, [owners[i] for i in batch], results)
    if per_token:
        log_probs /= [max(word.end_token - word.first_token, 1) for word in words] or 1
    confidences: list[float] = np.exp(np.minimum(log_probs, 0.0)).tolist()
    return confidences


@dataclass(frozen=True, slots=True)
class _Piece:
    """Tokens, and the frames that say them and no others."""

    token_ids: Sequence[int]
    start: int
    end: int


def _sum_alignments(
    history: EmissionHistory, pieces: Sequence[_Piece], blank_id: int
) -> NDArray[np.float64]:
    """Return the log-probability of each piece, shape (W,); longest pieces first."""
    num_frames = [piece.end - piece.start for piece in pieces]
    num_states = np.array([2 * len(piece.token_ids) + 1 for piece in pieces])
    shape = len(pieces), num_frames[0], int(num_states.max())
    emissions = np.full(shape, -np.inf)  # (W, T, S)
    can_skip = np.zeros((shape[0], shape[2]), dtype=bool)  # from two states before
    for row, piece in enumerate(pieces):
        states = np.full(num_states[row], blank_id, dtype=np.int64)
        states[1::2] = piece.token_ids
        values = history.emissions(piece.start, piece.end, states)
        values[:, [0, -1]] = history.silence(piece.start, piece.end)[:, None]
        emissions[row, : num_frames[row], : len(states)] = values
        can_skip[row, 2 : len(states)] = (states[2:] != states[:-2]) & (states[2:] != blank_id)
    skipping = np.where(can_skip, 0.0, -np.inf)[:, 2:]
    forward = np.full((shape[0], shape[2]), -np.inf)
    forward[:, :2] = emissions[:, 0, :2]
    active = shape[0]
    for frame in range(1, shape[1]):
        while num_frames[active - 1] <= frame:
            active -= 1
        before = forward[:active]
        after = before.copy()
        after[:, 1:] = np.logaddexp(after[:, 1:], before[:, :-1])
        after[:, 2:] = np.logaddexp(after[:, 2:], before[:, :-2] + skipping[:active])
        forward[:active] = after + emissions[:active, frame]
    last = num_states[:, None] - [1, 2]  # the last blank, the last token
    return np.logaddexp.reduce(np.take_along_axis(forward, last, axis=1), axis=1)
