"""Viterbi search through the CTC states of a given text, inside a band of states.

Paper: Graves et al. 2006, "Connectionist Temporal Classification", Section 4.1 (the states: a
blank before, between and after the tokens), https://www.cs.toronto.edu/~graves/icml_2006.pdf.

All states of a frame are computed together. Of the scores, those of one frame in K are kept;
the way back computes K frames again at a time. A path moves by at most one token a frame, so
that these K frames need K tokens only, however wide the band is.

Shapes used in this file:
    T  frames
    V  vocabulary
    S  slots: slot i is the gap before token i and token i; the last slot is a gap alone
    K  frames from one kept frame to the next
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.decoding.log_prob_rows import LogProbs, best_tokens, iter_rows

_IMPOSSIBLE = np.float32(-np.inf)
_MIN_BLOCK_FRAMES = 16


@dataclass(frozen=True, slots=True)
class Slots:
    """The states of a text.

    Attributes:
        token_ids: Token of each slot, shape (S,); V for a slot without one.
        step_costs: 0 where a slot's token may directly follow the token before it, minus
            infinity where the gap must come between, shape (S,).
        star_slots: Sorted numbers of the slots whose gap may hold any token.
        star_penalty: What a frame with such a token costs.
        blank_id: Number of the CTC blank.
    """

    token_ids: NDArray[np.intp]
    step_costs: NDArray[np.float32]
    star_slots: NDArray[np.intp]
    star_penalty: float
    blank_id: int

    def part(self, start: int, end: int) -> "Slots":
        """Return slots, numbered from 0."""
        first, last = np.searchsorted(self.star_slots, (start, end))
        return Slots(
            self.token_ids[start:end],
            self.step_costs[start:end],
            self.star_slots[first:last] - start,
            self.star_penalty,
            self.blank_id,
        )


@dataclass(frozen=True, slots=True)
class Band:
    """The slots that each frame may be in. Neither bound ever falls.

    Attributes:
        starts: First slot, shape (T,).
        ends: The slot after the last one, shape (T,).
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def part(self, start: int, end: int) -> "Band":
        """Return the band of some frames."""
        return Band(self.starts[start:end], self.ends[start:end])


@dataclass(frozen=True, slots=True)
class _Scores:
    """Scores of all states after a frame; the arrays change from frame to frame.

    Attributes:
        gaps: Score of each slot's gap, shape (S,).
        tokens: Score of slot i's token at i + 1, shape (S + 1,): element i is the token
            before slot i.
    """

    gaps: NDArray[np.float32]
    tokens: NDArray[np.float32]

    def part(self, start: int, end: int) -> "_Scores":
        """Return a copy of the scores of some slots."""
        return _Scores(self.gaps[start:end].copy(), self.tokens[start : end + 1].copy())


def find_path(log_probs: LogProbs, slots: Slots, band: Band) -> NDArray[np.int32] | None:
    """Return the best path in a band.

    Args:
        log_probs: Shape (T, V), at least one frame.
        slots: The text.
        band: Its first frame holds slot 0, its last frame the last slot.

    Returns:
        The state of each frame, shape (T,), never falling: 2 i is the gap of slot i, 2 i + 1
        its token. None where no path of the band leads to the end of the text.

    Raises:
        InputError: When a value of `log_probs` is NaN or plus infinity.
    """
    num_frames, num_slots = len(band.starts), len(slots.token_ids)
    # Memory is T / K kept frames as wide as the band, and K frames of K slots.
    width = int((band.ends - band.starts).max())
    block_frames = max(_MIN_BLOCK_FRAMES, round((num_frames * width) ** (1 / 3)))
    blocks = [
        (start, min(start + block_frames, num_frames))
        for start in range(0, num_frames, block_frames)
    ]
    scores = _Scores(
        np.full(num_slots, _IMPOSSIBLE, dtype=np.float32),
        np.full(num_slots + 1, _IMPOSSIBLE, dtype=np.float32),
    )
    scores.tokens[0] = 0.0  # Before the first frame the path is as after a token before slot 0.
    kept: list[tuple[int, _Scores]] = []
    for start, end in blocks:
        previous = max(start - 1, 0)
        first, last = int(band.starts[previous]), int(band.ends[previous])
        kept.append((first, scores.part(first, last)))
        for _ in _iter_frames(log_probs, slots, band.part(start, end), start, scores):
            pass
        _rescale(scores, int(band.starts[end - 1]), int(band.ends[end - 1]))

    after_token = scores.tokens[-2] + slots.step_costs[-1]
    after_gap = scores.gaps[-1]
    if max(after_token, after_gap) == _IMPOSSIBLE:
        return None
    state = 2 * (num_slots - 1) - int(after_token > after_gap)
    path = np.empty(num_frames, dtype=np.int32)
    for start, end in reversed(blocks):
        first, before = kept.pop()
        # Slots that lie further back cannot reach this state within the block.
        top = state // 2 + 1
        base = max(0, top - 1 - (end - start))
        bounds = band.part(start, end)
        state = _trace_back(
            log_probs,
            slots.part(base, top),
            Band(np.maximum(bounds.starts - base, 0), np.minimum(bounds.ends, top) - base),
            start,
            _moved(before, first - base, top - base),
            path[start:end],
            state - 2 * base,
        )
        path[start:end] += 2 * base
        state += 2 * base
    return path


def _iter_frames(
    log_probs: LogProbs, slots: Slots, band: Band, start: int, scores: _Scores
) -> Iterator[tuple[int, int]]:
    """Bring the scores from frame to frame, and yield the slots that each frame has.

    Args:
        log_probs: Shape (T, V).
        slots: The text.
        band: Slots of the frames from `start` on.
        start: First frame.
        scores: Scores before it; changed in place.
    """
    star_starts = np.searchsorted(slots.star_slots, band.starts)
    star_ends = np.searchsorted(slots.star_slots, band.ends)
    bounds = zip(
        *(part.tolist() for part in (band.starts, band.ends, star_starts, star_ends)), strict=True
    )
    buffer = np.empty((2, len(slots.token_ids)), dtype=np.float32)
    emissions = _iter_emissions(log_probs, slots, start, start + len(band.starts))
    for (first, last, first_star, last_star), (of_tokens, of_blank, of_star) in zip(
        bounds, emissions, strict=True
    ):
        gaps = scores.gaps[first:last]
        tokens_before = scores.tokens[first:last]
        tokens = scores.tokens[first + 1 : last + 1]
        arrived, emitted = buffer[:, : last - first]
        np.add(tokens_before, slots.step_costs[first:last], out=arrived)
        np.maximum(arrived, gaps, out=arrived)
        np.maximum(arrived, tokens, out=arrived)
        np.maximum(gaps, tokens_before, out=gaps)
        gaps += of_blank
        if of_star > of_blank and first_star < last_star:
            gaps[slots.star_slots[first_star:last_star] - first] += of_star - of_blank
        np.take(of_tokens, slots.token_ids[first:last], out=emitted, mode="clip")
        np.add(arrived, emitted, out=tokens)
        scores.tokens[first] = _IMPOSSIBLE  # out of the band, and never computed again
        yield first, last


def _iter_emissions(
    log_probs: LogProbs, slots: Slots, start: int, end: int
) -> Iterator[tuple[NDArray[np.float32], np.float32, np.float32]]:
    """Yield a frame's log-probabilities: of the tokens (V + 1,), the blank, and the star.

    They are relative to the best of the frame. This changes no comparison of paths, and keeps
    scores near 0, where float32 is precise.
    """
    vocab_size = log_probs.shape[1]
    for _, rows in iter_rows(log_probs, start, end):
        best = rows.max(axis=1)
        of_tokens = np.full((len(rows), vocab_size + 1), _IMPOSSIBLE, dtype=np.float32)
        np.subtract(rows, best[:, None], out=of_tokens[:, :vocab_size])
        of_star = best_tokens(rows, slots.blank_id) - best - np.float32(slots.star_penalty)
        yield from zip(of_tokens, of_tokens[:, slots.blank_id], of_star, strict=True)


def _rescale(scores: _Scores, first: int, last: int) -> None:
    """Make the best score of the slots that a frame has 0."""
    best = max(scores.gaps[first:last].max(), scores.tokens[first + 1 : last + 1].max())
    if best > _IMPOSSIBLE:
        scores.gaps[first:last] -= best
        scores.tokens[first + 1 : last + 1] -= best


def _moved(scores: _Scores, shift: int, num_slots: int) -> _Scores:
    """Return the scores of `num_slots` slots, in which those given start at slot `shift`."""
    moved = []
    for values, length in ((scores.gaps, num_slots), (scores.tokens, num_slots + 1)):
        result = np.full(length, _IMPOSSIBLE, dtype=np.float32)
        start, end = max(0, -shift), min(len(values), length - shift)
        result[start + shift : end + shift] = values[start:end]
        moved.append(result)
    return _Scores(*moved)


def _trace_back(
    log_probs: LogProbs,
    slots: Slots,
    band: Band,
    start: int,
    before: _Scores,
    path: NDArray[np.int32],
    state: int,
) -> int:
    """Fill in a block of the path, and return the state of the frame before it.

    Args:
        log_probs: Shape (T, V).
        slots: The slots that the block needs.
        band: The band of its frames in these slots.
        start: First frame of the block.
        before: Scores of the frame before; changed in place.
        path: The states of the block, to be filled in.
        state: State of the block's last frame.
    """
    num_frames, num_slots = len(path), len(slots.token_ids)
    gaps = np.full((num_frames, num_slots), _IMPOSSIBLE, dtype=np.float32)
    tokens = np.full((num_frames, num_slots + 1), _IMPOSSIBLE, dtype=np.float32)
    gaps[0], tokens[0] = before.gaps, before.tokens
    frames = _iter_frames(log_probs, slots, band, start, before)
    for row, (first, last) in enumerate(frames, start=1):
        if row < num_frames:
            gaps[row, first:last] = before.gaps[first:last]
            tokens[row, first + 1 : last + 1] = before.tokens[first + 1 : last + 1]
    for frame in reversed(range(num_frames)):
        path[frame] = state
        slot = state // 2
        gap, token_before = gaps[frame, slot], tokens[frame, slot]
        if state % 2 == 0:
            if token_before > gap:
                state -= 1
        else:
            best = max(gap, token_before + slots.step_costs[slot])
            if best > tokens[frame, slot + 1]:
                state -= 1 if gap == best else 2
    return state
