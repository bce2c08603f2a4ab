"""Forced alignment: where in time each token of a given text is said.

Paper: Graves et al. 2006, "Connectionist Temporal Classification", Section 4.1,
https://www.cs.toronto.edu/~graves/icml_2006.pdf; here with the best path (Viterbi) in place of
the sum over paths. The star, speech that is not in the text, is after Pratap et al. 2023,
"Scaling Speech Technology to 1,000+ Languages", Section 3.1.5,
https://arxiv.org/abs/2305.13516, with a price for its frames.

Shapes used in this file:
    T  frames
    V  vocabulary
    U  tokens of the text
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wav2vec2_conformer.decoding.aligned_path import AlignedPath
from wav2vec2_conformer.decoding.log_prob_rows import LogProbs, best_tokens, iter_rows
from wav2vec2_conformer.decoding.trellis import Band, Slots, find_path
from wav2vec2_conformer.errors import InputError

# A path that comes nearer to an edge of its band than this part of the half width may have
# been held back by it.
_MARGIN = 0.25


def align_tokens(
    log_probs: LogProbs,
    token_ids: ArrayLike,
    *,
    blank_id: int = 0,
    star_gaps: ArrayLike | None = None,
    required_gaps: ArrayLike | None = None,
    star_penalty: float = 1.0,
    band_tokens: int = 8192,
) -> AlignedPath:
    """Find the best CTC path through a text.

    Texts of up to `2 * band_tokens` tokens (about twenty minutes of speech) are searched whole, so
    that the path is the best of all. In longer ones each frame looks at the tokens around the
    place where the text is expected, `band_tokens` to each side. The place is first estimated
    from how many tokens the model has heard so far. When the path comes near the edge of the
    band, the search is repeated around that path with a band twice as wide, which contains
    the first one.

    Time is T times the band's width. Memory is that of the text, the path, and about
    `12 * (T * width) ** (2 / 3)` bytes.

    Args:
        log_probs: Natural logarithms of shape (T, V): an array, a `numpy.memmap`, or anything
            with a `shape` and slices of rows. It is read in pieces, up to three times.
        token_ids: The text, shape (U,), without blanks. A repeated token is fine.
        blank_id: Number of the CTC blank.
        star_gaps: Booleans of shape (U + 1,): where speech may be that is not in the text,
            before each token and after the last one. In these gaps any token may be emitted in
            place of the blank, at its probability less `star_penalty`. None for nowhere.
        required_gaps: Booleans of shape (U + 1,): gaps that get one frame at least, as gaps
            between equal tokens always do. None for no others.
        star_penalty: Natural logarithm by which a frame that is not in the text is held less
            likely, 0 or more. A small one gives away what the model hears badly, a large one
            fits the text to everything that is said.
        band_tokens: Half the width of the band, at least 1.

    Returns:
        The path.

    Raises:
        InputError: When an argument has the wrong shape or range, when there are more tokens
            than frames can hold, or a value of `log_probs` is NaN or infinite.
    """
    ids, star, required = _check(log_probs, token_ids, blank_id, star_gaps, required_gaps)
    if not star_penalty >= 0:
        raise InputError(f"star_penalty must be 0 or more, but is {star_penalty:g}.")
    if band_tokens < 1:
        raise InputError(f"band_tokens must be at least 1, but is {band_tokens}.")
    slots = Slots(
        token_ids=np.append(ids, log_probs.shape[1]),
        step_costs=np.where(required, -np.inf, 0.0).astype(np.float32),
        star_slots=np.flatnonzero(star),
        star_penalty=star_penalty,
        blank_id=blank_id,
    )
    states = _search(log_probs, slots, band_tokens)
    frame_log_probs, is_star = _emitted(log_probs, slots, states)
    return AlignedPath(
        states=states,
        log_probs=frame_log_probs,
        is_star=is_star,
        num_tokens=len(ids),
        score=float(frame_log_probs.sum(dtype=np.float64) - star_penalty * is_star.sum()),
    )


def _check(
    log_probs: LogProbs,
    token_ids: ArrayLike,
    blank_id: int,
    star_gaps: ArrayLike | None,
    required_gaps: ArrayLike | None,
) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the tokens, the gaps with a star, and the gaps that a path must pass."""
    if len(log_probs.shape) != 2:  # noqa: PLR2004  frames and vocabulary
        raise InputError(f"log_probs must have shape (T, V), but has shape {log_probs.shape}.")
    num_frames, vocab_size = log_probs.shape
    if not 0 <= blank_id < vocab_size:
        raise InputError(
            f"blank_id must be a token number from 0 to {vocab_size - 1}, but is {blank_id}."
        )
    ids = np.asarray(token_ids, dtype=np.intp)
    if ids.ndim != 1 or not ids.size:
        raise InputError(f"token_ids must have shape (U,) with U > 0, but has shape {ids.shape}.")
    wrong = ids[(ids < 0) | (ids >= vocab_size) | (ids == blank_id)]
    if wrong.size:
        raise InputError(
            f"token_ids must be from 0 to {vocab_size - 1} and not the blank ({blank_id}), but "
            f"one is {wrong[0]}."
        )
    star = _gap_mask(star_gaps, len(ids), "star_gaps")
    required = _gap_mask(required_gaps, len(ids), "required_gaps")
    required[1:-1] |= ids[1:] == ids[:-1]
    num_needed = len(ids) + int(required.sum())
    if num_needed > num_frames:
        raise InputError(
            f"the audio has {num_frames} frames, too few for the text: its {len(ids)} tokens "
            f"need a frame each, and {int(required.sum())} more between equal tokens or for "
            f"words that cannot be spelled, {num_needed} together. Check that the text belongs "
            "to the audio and that the audio is complete."
        )
    return ids, star, required


def _gap_mask(gaps: ArrayLike | None, num_tokens: int, name: str) -> NDArray[np.bool_]:
    mask = np.zeros(num_tokens + 1, dtype=np.bool_)
    if gaps is not None:
        given = np.asarray(gaps)
        if given.shape != mask.shape or given.dtype != np.bool_:
            raise InputError(
                f"{name} must be booleans of shape {mask.shape}, one more than there are tokens, "
                f"but is {given.dtype} of shape {given.shape}."
            )
        mask |= given
    return mask


def _search(log_probs: LogProbs, slots: Slots, band_tokens: int) -> NDArray[np.int32]:
    """Return the best path of a band that does not hold it back."""
    num_frames, num_slots = log_probs.shape[0], len(slots.token_ids)
    if num_slots <= 2 * band_tokens + 1:
        centers = np.zeros(num_frames, dtype=np.int64)
        band_tokens = num_slots
    else:
        centers = _expected_slots(log_probs, num_slots, slots.blank_id)
    while True:
        band = Band(
            np.maximum(centers - band_tokens, 0), np.minimum(centers + band_tokens + 1, num_slots)
        )
        states = find_path(log_probs, slots, band)
        if states is not None:
            path_slots = states.astype(np.int64) // 2
            if not _is_near_edge(path_slots, band, num_slots, int(_MARGIN * band_tokens)):
                return states
            centers = path_slots
        # A band around a path that lay in the old band, twice as wide, contains the old band.
        band_tokens *= 2


def _expected_slots(log_probs: LogProbs, num_slots: int, blank_id: int) -> NDArray[np.int64]:
    """Return where in the text each frame should be, by the tokens heard until then.

    Unlike time, this stands still where nobody speaks.
    """
    best = np.concatenate([np.argmax(rows, axis=1) for _, rows in iter_rows(log_probs)])
    is_new = (best != blank_id) & (np.diff(best, prepend=blank_id) != 0)
    num_heard = np.cumsum(is_new)
    if not num_heard[-1]:
        num_heard = np.arange(len(best))
    return np.rint(num_heard * ((num_slots - 1) / num_heard[-1])).astype(np.int64)


def _is_near_edge(
    path_slots: NDArray[np.int64], band: Band, num_slots: int, margin: int
) -> np.bool_:
    """Say whether a path comes nearer than `margin` to an edge that is not the text's end."""
    is_low = (path_slots - band.starts <= margin) & (band.starts > 0)
    is_high = (band.ends - 1 - path_slots <= margin) & (band.ends < num_slots)
    return np.any(is_low | is_high)


def _emitted(
    log_probs: LogProbs, slots: Slots, states: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the log-probability of what each frame emits, and whether that is a star's token."""
    has_star = np.zeros(len(slots.token_ids), dtype=np.bool_)
    has_star[slots.star_slots] = True
    emitted = np.empty(len(states), dtype=np.float32)
    is_star = np.empty(len(states), dtype=np.bool_)
    for first, rows in iter_rows(log_probs):
        frames = slice(first, first + len(rows))
        path_slots, is_token = states[frames] // 2, states[frames] % 2 == 1
        ids = np.where(is_token, slots.token_ids[path_slots], slots.blank_id)
        of_path = rows[np.arange(len(rows)), ids]
        of_star = best_tokens(rows, slots.blank_id)
        is_star[frames] = (
            ~is_token & has_star[path_slots] & (of_star - np.float32(slots.star_penalty) > of_path)
        )
        emitted[frames] = np.where(is_star[frames], of_star, of_path)
    return emitted, is_star
