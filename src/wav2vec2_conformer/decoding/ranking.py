"""The beams at the end of an utterance to hypotheses."""

import numpy as np

from wav2vec2_conformer.decoding.beam import (
    BEST_BLANK,
    BEST_TOKEN,
    BLANK,
    BLANK_END,
    BLANK_TIMES,
    CLOSED,
    CONTEXT,
    LAST,
    PART,
    PREFIX,
    TOKEN,
    TOKEN_TIMES,
    BeamArrays,
    to_arrays,
)
from wav2vec2_conformer.decoding.greedy import TokenSpans
from wav2vec2_conformer.decoding.hypothesis import Hypothesis
from wav2vec2_conformer.decoding.search_state import SearchState


def rank_hypotheses(state: SearchState, num_best: int) -> list[Hypothesis]:
    """Return the best hypotheses, best first.

    A text with a delimiter at its end and the same without are one.

    Args:
        state: The search.
        num_best: Most hypotheses to return.
    """
    beams = to_arrays(state.beams)
    log_probs = np.logaddexp(beams.floats[BLANK], beams.floats[TOKEN])
    best = np.maximum(beams.floats[BEST_BLANK], beams.floats[BEST_TOKEN])
    # Beams with the same text: the prefix without a delimiter at its end tells them.
    same: dict[int, list[int]] = {}
    for row, (prefix, last) in enumerate(beams.ints[[PREFIX, LAST]].T.tolist()):
        text = state.tree.parent(prefix) if last == state.delimiter_id else prefix
        same.setdefault(text, []).append(row)
    readings: list[tuple[float, float, int]] = []
    for rows in same.values():
        row = max(rows, key=lambda each: best[each])
        log_prob = float(np.logaddexp.reduce(log_probs[rows])) + state.past_log_prob
        added = float(beams.floats[CLOSED, row]) + state.words.end(
            int(beams.ints[CONTEXT, row]), int(beams.ints[PART, row])
        )
        readings.append((log_prob + added, log_prob, row))
    readings.sort(key=lambda reading: -reading[0])
    return [
        Hypothesis(_read_spans(state, beams, row), score, log_prob)
        for score, log_prob, row in readings[:num_best]
    ]


def _read_spans(state: SearchState, beams: BeamArrays, row: int) -> TokenSpans:
    """Return the tokens of a beam along its best alignment, a delimiter at the end left out."""
    tokens = [*state.past_tokens, *state.tree.path(int(beams.ints[PREFIX, row]))]
    if beams.floats[BEST_BLANK, row] >= beams.floats[BEST_TOKEN, row]:
        times, end_frame = int(beams.ints[BLANK_TIMES, row]), int(beams.ints[BLANK_END, row])
    else:
        times, end_frame = int(beams.ints[TOKEN_TIMES, row]), state.num_frames
    starts, ends = state.times.frames(times, end_frame)
    if tokens and tokens[-1] == state.delimiter_id:
        tokens, starts, ends = tokens[:-1], starts[:-1], ends[:-1]
    return TokenSpans(np.array(tokens, dtype=np.int64), starts, ends)
