"""The beams of a prefix search, as objects where they are few and as arrays where many.

A beam is a sequence of tokens (a *prefix*). The alignments that lead to it are kept in two
sums, its *ends*: those whose last frame is a blank and those whose last frame is the last token.

Shapes used in this file:
    B  beams
"""

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_NONE = -math.inf

# Rows of `BeamArrays`: the attributes of a `Beam`, in their order.
PREFIX, LAST, PART, CONTEXT, KEY, BLANK_TIMES, BLANK_END, TOKEN_TIMES = range(8)
BLANK, TOKEN, BEST_BLANK, BEST_TOKEN, CLOSED, BONUS = range(6)


@dataclass(slots=True)
class Beam:
    """One beam. Scores are natural logarithms, without what all beams have in common.

    Attributes:
        prefix: Row of its tokens in the tree.
        last: Its last token.
        part: Beginning of its last word.
        context: What counts of the words before.
        key: The same number for beams that nothing to come can tell apart; even.
        blank_times: Row of the times of its best alignment that ends in a blank.
        blank_end: The frame after its last token there.
        token_times: Row of the times of its best alignment that ends in the last token.
        blank: Log-probability of all alignments that end in a blank.
        token: Log-probability of all alignments that end in the last token.
        best_blank: Log-probability of the best one that ends in a blank.
        best_token: Log-probability of the best one that ends in the last token.
        closed: What its finished words add.
        bonus: That, with what the last part is worth for now.
    """

    prefix: int
    last: int
    part: int
    context: int
    key: int
    blank_times: int
    blank_end: int
    token_times: int
    blank: float
    token: float
    best_blank: float
    best_token: float
    closed: float
    bonus: float


_NAMES = [each.name for each in fields(Beam)]
_INTS, _FLOATS = _NAMES[: TOKEN_TIMES + 1], _NAMES[TOKEN_TIMES + 1 :]


@dataclass(slots=True)
class BeamArrays:
    """Many beams.

    Attributes:
        ints: Their whole numbers, shape (8, B).
        floats: Their scores, shape (6, B).
    """

    ints: Ints
    floats: Floats

    def __len__(self) -> int:
        """Return the number of beams."""
        return self.ints.shape[1]


def to_arrays(beams: list[Beam] | BeamArrays) -> BeamArrays:
    """Return beams as arrays."""
    if isinstance(beams, BeamArrays):
        return beams
    return BeamArrays(
        np.array([[getattr(beam, name) for beam in beams] for name in _INTS], dtype=np.int64),
        np.array([[getattr(beam, name) for beam in beams] for name in _FLOATS], dtype=np.float64),
    )


def to_objects(beams: list[Beam] | BeamArrays) -> list[Beam]:
    """Return beams as objects."""
    if not isinstance(beams, BeamArrays):
        return beams
    rows = zip(beams.ints.T.tolist(), beams.floats.T.tolist(), strict=True)
    return [Beam(*numbers, *scores) for numbers, scores in rows]


def add_log_probs(a: float, b: float) -> float:
    """Return the logarithm of the sum of two probabilities that are given as logarithms."""
    if b == _NONE:
        return a
    if a == _NONE:
        return b
    if a < b:
        a, b = b, a
    return a + math.log1p(math.exp(b - a))
