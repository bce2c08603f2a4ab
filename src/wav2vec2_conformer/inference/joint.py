"""Where the frames of one window end and those of the next begin.

Two windows hear the same frame a little differently: a token may move by a frame, and a joint
beside it then gives it twice or not at all. Where the frames on both sides of a joint are
surely blank, or both surely the delimiter between words, there is nothing to lose.

Shapes used in this file:
    T  frames
    V  vocabulary
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SURE = 0.9


def find_joint(
    log_probs: NDArray[np.float32], *, silent_ids: Sequence[int], border: int, max_hold: int
) -> int:
    """Return how many frames to commit: up to the latest pair of frames that are surely silent.

    Args:
        log_probs: Natural log-probabilities of shape (T, V).
        silent_ids: The blank and, if there is one, the delimiter.
        border: Most frames to commit, from 1 to T. The answer where no pair is silent.
        max_hold: How far before the border the joint may lie, in frames.

    Returns:
        A number of frames between 1 and `border`.
    """
    first = max(1, border - max_hold)
    is_sure = log_probs[first - 1 : border + 1, list(silent_ids)] > math.log(_SURE)
    pairs = np.flatnonzero((is_sure[:-1] & is_sure[1:]).any(axis=1))
    return first + int(pairs[-1]) if pairs.size else border


def find_shared_joint(
    earlier: NDArray[np.float32], later: NDArray[np.float32], *, silent_ids: Sequence[int]
) -> int:
    """Return before which of the frames that two windows share the later one takes over.

    The nearest place to the middle at which both windows hear the same silent token on both
    sides; the middle, where there is none.

    Args:
        earlier: Natural log-probabilities of the shared frames (T, V), T even, by the earlier
            window.
        later: Those by the later window.
        silent_ids: The blank and, if there is one, the delimiter.
    """
    middle = len(earlier) // 2
    ids = list(silent_ids)
    is_sure = np.minimum(earlier[:, ids], later[:, ids]) > math.log(_SURE)
    places = np.flatnonzero((is_sure[:-1] & is_sure[1:]).any(axis=1)) + 1
    return int(places[np.abs(places - middle).argmin()]) if places.size else middle
