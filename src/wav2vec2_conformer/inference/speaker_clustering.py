"""Voices of a recording to its speakers.

Voices are compared by their difference from the recording's mean voice: what all have in common
(the microphone, the room) says nothing about who speaks. Agglomerative clustering with average
linkage gives a tree. It is cut into as many speakers as possible whose mean voices are all less
alike than one speaker's would be: one, two, and so on, until two of them are too much alike.

Shapes used in this file:
    N  voices
    D  width of an embedding
    G  speakers
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import InputError

# Voices of one group are of different speakers: this counts against joining them.
_APART_PENALTY = 10.0
_MAX_REFINEMENTS = 10
# More speakers are found only where min_speakers asks for them.
_MAX_FOUND = 20
# The tree of more voices would take too much memory; the rest is assigned to its speakers.
_MAX_LINKED = 2_000


def cluster_voices(
    vectors: NDArray[np.float32],
    groups: NDArray[np.int64],
    *,
    same_speaker_score: float,
    min_voices: int = 1,
    min_speakers: int = 1,
    max_speakers: int | None = None,
) -> NDArray[np.int64]:
    """Return the number of each voice's speaker, from 0 without gaps; shape (N,).

    Args:
        vectors: Of length 1, shape (N, D), N at least 1.
        groups: N numbers; voices with the same one are of different speakers, as far as there
            are enough speakers.
        same_speaker_score: Two speakers' mean voices have a lower cosine than this.
        min_voices: Fewest voices of a speaker beyond the fewest speakers: a cough is nobody.
        min_speakers: At least so many speakers, however alike; fewer only of fewer voices.
        max_speakers: At most so many speakers, however different; None for any number.

    Raises:
        InputError: The numbers of speakers contradict each other.
    """
    check_num_speakers(min_speakers, max_speakers)
    voices = vectors.astype(np.float64)
    num_voices = len(voices)
    largest_group = int(np.unique(groups, return_counts=True)[1].max())
    most = num_voices if max_speakers is None else min(num_voices, max_speakers)
    least = min(most, max(min_speakers, largest_group))
    centred = _to_unit(voices - voices.mean(axis=0))
    linked = np.arange(0, num_voices, -(-num_voices // _MAX_LINKED))
    scores = centred[linked] @ centred[linked].T
    scores -= _APART_PENALTY * (groups[linked, None] == groups[None, linked])
    merges = link(scores)
    best = np.zeros(num_voices, dtype=np.int64)
    for num_speakers in range(least, min(most, max(least, _MAX_FOUND)) + 1):
        clusters = _cut(merges, len(linked), num_speakers)
        speakers = _refine(centred, _mean_vectors(centred[linked], clusters), groups)
        kept = np.bincount(speakers) >= min_voices
        if num_speakers > least and not kept.all():
            if kept.sum() < least:
                continue  # too few voices for more speakers
            speakers = _refine(centred, _mean_vectors(centred, speakers)[kept], groups)
        means = _mean_vectors(voices, speakers)
        alike = means @ means.T - 2 * np.eye(len(means))
        if num_speakers > least and alike.max() >= same_speaker_score:
            break
        best = speakers
    return best


def link(scores: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return the merges of agglomerative clustering with average linkage, most alike first.

    By chains of nearest neighbours (Benzécri 1982): each merge costs a look at a few rows.

    Args:
        scores: How alike voices are, symmetric, shape (N, N). The diagonal does not count.

    Returns:
        N - 1 pairs; each number is a voice that stands for the cluster it is in.
    """
    scores = scores.copy()
    np.fill_diagonal(scores, -np.inf)
    sizes = np.ones(len(scores))
    merges: list[tuple[float, int, int]] = []
    chain: list[int] = []
    alive = set(range(len(scores)))
    while len(alive) > 1:
        if not chain:
            chain.append(min(alive))
        last = chain[-1]
        nearest = int(scores[last].argmax())
        if len(chain) > 1 and scores[last, chain[-2]] >= scores[last, nearest]:
            kept, joined = sorted((chain.pop(), chain.pop()))
            merges.append((float(scores[kept, joined]), kept, joined))
            mean = sizes[kept] * scores[kept] + sizes[joined] * scores[joined]
            scores[kept] = scores[:, kept] = mean / (sizes[kept] + sizes[joined])
            scores[joined] = scores[:, joined] = -np.inf
            scores[kept, kept] = -np.inf
            sizes[kept] += sizes[joined]
            alive.remove(joined)
        else:
            chain.append(nearest)
    merges.sort(key=lambda merge: -merge[0])
    return [(kept, joined) for _, kept, joined in merges]


def check_num_speakers(min_speakers: int, max_speakers: int | None) -> None:
    """Refuse numbers of speakers that contradict each other.

    Raises:
        InputError: They do.
    """
    if min_speakers < 1 or (max_speakers is not None and max_speakers < min_speakers):
        raise InputError(
            "min_speakers must be at least 1 and max_speakers at least min_speakers, but they "
            f"are {min_speakers} and {max_speakers}."
        )


def assign_voices(
    vectors: NDArray[np.floating], means: NDArray[np.floating], groups: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the number of the mean voice that each voice is most like; shape (N,).

    Of the voices of one group the surest comes first, and the others choose among the rest, as
    long as there is any.

    Args:
        vectors: Shape (N, D).
        means: Shape (G, D).
        groups: N numbers.
    """
    scores = vectors @ means.T
    speakers = scores.argmax(axis=1)
    if np.unique(groups).size == len(groups):
        return speakers
    order = np.argsort(-scores.max(axis=1), kind="stable")
    taken: dict[int, set[int]] = {}
    for voice in order:
        others = taken.setdefault(int(groups[voice]), set())
        if len(others) < len(means):
            scores[voice, list(others)] = -np.inf
            speakers[voice] = scores[voice].argmax()
        others.add(int(speakers[voice]))
    return speakers


def _cut(
    merges: Sequence[tuple[int, int]], num_voices: int, num_speakers: int
) -> NDArray[np.int64]:
    """Return the clusters that are left when all but the last merges are done."""
    clusters = np.arange(num_voices)
    for kept, joined in merges[: num_voices - num_speakers]:
        clusters[clusters == clusters[joined]] = clusters[kept]
    return np.unique(clusters, return_inverse=True)[1]


def _refine(
    centred: NDArray[np.float64], means: NDArray[np.float64], groups: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Give each voice to the speaker it is most like, until none changes (k-means)."""
    speakers = assign_voices(centred, means, groups)
    for _ in range(_MAX_REFINEMENTS):
        speakers = np.unique(speakers, return_inverse=True)[1]  # who lost all voices is gone
        changed = assign_voices(centred, _mean_vectors(centred, speakers), groups)
        if (changed == speakers).all():
            break
        speakers = changed
    return np.unique(speakers, return_inverse=True)[1]


def _mean_vectors(vectors: NDArray[np.float64], speakers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean direction of each speaker's voices, shape (G, D)."""
    sums = np.zeros((int(speakers.max()) + 1, vectors.shape[1]))
    np.add.at(sums, speakers, vectors)
    return _to_unit(sums)


def _to_unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
