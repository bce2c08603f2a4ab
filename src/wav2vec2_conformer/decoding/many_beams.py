"""What a frame does to many beams, all at once. `few_beams` does the same one by one.

Shapes used in this file:
    B  beams
    K  tokens that are tried in the frame, the blank not among them
    N  beams one token longer, and other selections
"""

from dataclasses import dataclass

import numpy as np

from wav2vec2_conformer.decoding.beam import (
    BEST_BLANK,
    BEST_TOKEN,
    BLANK,
    BLANK_END,
    BLANK_TIMES,
    BONUS,
    CLOSED,
    CONTEXT,
    KEY,
    LAST,
    PART,
    PREFIX,
    TOKEN,
    TOKEN_TIMES,
    BeamArrays,
    Bools,
    Floats,
    Ints,
    to_arrays,
)
from wav2vec2_conformer.decoding.search_state import SearchState

_LOWEST = float(np.finfo(np.float64).min)


def follow_many(state: SearchState, blank_log_prob: float, tokens: Ints, log_probs: Floats) -> None:
    """Take in a frame.

    Args:
        state: The search; it is changed.
        blank_log_prob: Log-probability of the blank; minus infinity leaves it out.
        tokens: Numbers of the tokens to try, ascending, shape (K,).
        log_probs: Their log-probabilities, shape (K,).
    """
    step = _Step(state, tokens, log_probs)
    step.follow(blank_log_prob)
    joined = step.join()
    longer = step.extend()
    state.go_on(step.select(joined, longer))


class _Step:
    """The beams before a frame and their alignments after it.

    Attributes:
        stay: Scores of the same beams after it, as `BeamArrays.floats`.
        longer: Log-probability of each extension of each beam that is no beam yet, (B K,).
        children: Its prefix where it is in the tree, else -1, shape (B K,).
    """

    def __init__(self, state: SearchState, tokens: Ints, log_probs: Floats) -> None:
        self.state = state
        self.tokens = tokens
        self.log_probs = log_probs
        beams = to_arrays(state.beams)
        self.ints, self.floats = ints, floats = beams.ints, beams.floats
        self.total = np.logaddexp(floats[BLANK], floats[TOKEN])
        self.best = np.maximum(floats[BEST_BLANK], floats[BEST_TOKEN])
        self.best_is_blank = floats[BEST_BLANK] > floats[BEST_TOKEN]
        self.stay = floats.copy()
        self.longer = (self.total[:, None] + log_probs).reshape(-1)
        self.children = state.tree.children[ints[PREFIX][:, None], tokens].reshape(-1)

    def follow(self, blank_log_prob: float) -> None:
        """Follow alignments into the blank and into the last token again."""
        last, stay = self.ints[LAST], self.stay
        repeated = self.state.gather_values(self.tokens, self.log_probs, last)
        np.add(self.total, blank_log_prob, out=stay[BLANK])
        np.add(self.best, blank_log_prob, out=stay[BEST_BLANK])
        stay[TOKEN] += repeated
        stay[BEST_TOKEN] += repeated
        # The last token once more, as a token of its own, needs a blank between.
        rows = (repeated > -np.inf).nonzero()[0]
        again = rows * len(self.tokens) + self.tokens.searchsorted(last[rows])
        self.longer[again] = self.floats[BLANK, rows] + repeated[rows]
        # But a word ends once, however many delimiters follow it.
        is_end = last[rows] == self.state.delimiter_id
        if is_end.any():
            self.longer[again[is_end]] = -np.inf
            rows = rows[is_end]
            stay[TOKEN, rows] = self.total[rows] + repeated[rows]
            stay[BEST_TOKEN, rows] = self.best[rows] + repeated[rows]
            rows = rows[self.best_is_blank[rows]]
            self.ints[TOKEN_TIMES, rows] = self.ints[BLANK_TIMES, rows]

    def join(self) -> "_Joined":
        """Add extensions that are beams already to those beams."""
        there = self.state.find_places(self.ints[PREFIX], self.children)
        flat = (there >= 0).nonzero()[0]
        beams = there[flat]
        token = self.stay[TOKEN]
        token[beams] = np.logaddexp(token[beams], self.longer[flat])
        self.longer[flat] = -np.inf
        rows, columns = np.divmod(flat, len(self.tokens))
        needs_blank = self.ints[LAST, rows] == self.tokens[columns]
        best = np.where(needs_blank, self.floats[BEST_BLANK, rows], self.best[rows])
        best += self.log_probs[columns]
        better = (best > self.stay[BEST_TOKEN, beams]).nonzero()[0]
        beams = beams[better]
        self.stay[BEST_TOKEN, beams] = best[better]
        return _Joined(beams, rows[better], needs_blank[better])

    def extend(self) -> "_Longer":
        """Score the beams one token longer that can be among those to follow."""
        state, ints, floats = self.state, self.ints, self.floats
        self.stay_scores = (self.stay[: TOKEN + 1] + floats[BONUS]).reshape(-1)
        # What is known of the scores, and more than what is not, tells what to look at.
        most = known = self.longer
        if state.words.is_scoring:
            worths, is_exact = state.words.peek(ints[CONTEXT], ints[PART], self.tokens)
            worths += floats[CLOSED][:, None]
            most = most + worths.reshape(-1)
            known = most[is_exact.reshape(-1)]
        scores = np.concatenate([self.stay_scores, known])
        self.limit = max(float(scores.max()) + state.prune_log_prob, _LOWEST)
        if len(scores) > state.width:
            scores.partition(len(scores) - state.width)
            self.limit = max(self.limit, float(scores[-state.width]))
        flat = (most >= self.limit).nonzero()[0]
        rows, columns = np.divmod(flat, len(self.tokens))
        tokens = self.tokens[columns]
        contexts, parts, added, worth = state.words.extend(
            ints[CONTEXT, rows], ints[PART, rows], tokens
        )
        added += floats[CLOSED, rows]
        return _Longer(
            flat=flat,
            rows=rows,
            columns=columns,
            tokens=tokens,
            contexts=contexts,
            parts=parts,
            keys=state.make_keys(contexts, parts),
            closed=added,
            bonus=added + worth,
            log_probs=self.longer[flat],
        )

    def select(self, joined: "_Joined", longer: "_Longer") -> BeamArrays:
        """Return the beams to go on with."""
        ends, chosen = self._choose(longer)
        is_lost = np.ones((2, len(self.total)), dtype=bool)
        is_lost.reshape(-1)[ends] = False
        for kind in (BLANK, TOKEN):
            self.stay[kind, is_lost[kind]] = -np.inf
            self.stay[kind + BEST_BLANK, is_lost[kind]] = -np.inf
        rows = (~(is_lost[BLANK] & is_lost[TOKEN])).nonzero()[0]
        num_old, num_new = len(rows), len(chosen)
        beams = BeamArrays(
            np.empty((len(self.ints), num_old + num_new), dtype=np.int64),
            np.empty((len(self.floats), num_old + num_new)),
        )
        new = BeamArrays(beams.ints[:, num_old:], beams.floats[:, num_old:])
        times = self._write_longer(longer, chosen, joined, new)
        # Only now: extensions start after the old times.
        left = rows[~self.best_is_blank[rows]]
        self.ints[BLANK_TIMES, left] = self.ints[TOKEN_TIMES, left]
        self.ints[BLANK_END, left] = self.state.num_frames
        self.ints[TOKEN_TIMES, joined.beams] = times
        beams.ints[:, :num_old] = self.ints.take(rows, axis=1)
        beams.floats[:, :num_old] = self.stay.take(rows, axis=1)
        return beams

    def _choose(self, longer: "_Longer") -> tuple[Ints, Ints]:
        """Return the ends of beams to follow, and which of the longer beams."""
        state, num_beams = self.state, len(self.total)
        ends = (self.stay_scores >= self.limit).nonzero()[0]
        scores = np.concatenate([self.stay_scores[ends], longer.log_probs + longer.bonus])
        chosen = (scores >= scores.max() + state.prune_log_prob).nonzero()[0]
        scores = -scores[chosen]
        if len(chosen) > state.width:
            best = scores.argpartition(state.width - 1)[: state.width]
            chosen, scores = chosen[best], scores[best]
        keys = np.concatenate([self.ints[KEY, ends % num_beams], longer.keys])
        keys[: ends.searchsorted(num_beams)] += 1  # ends in a blank
        keys = keys[chosen]
        order = np.lexsort((scores, keys))
        keys = keys[order]
        is_kept = np.ones(len(keys), dtype=bool)
        is_kept[state.num_best :] = keys[state.num_best :] != keys[: -state.num_best]
        chosen = chosen[order[is_kept]]
        is_longer = chosen >= len(ends)
        return ends[chosen[~is_longer]], chosen[is_longer] - len(ends)

    def _write_longer(
        self, longer: "_Longer", chosen: Ints, joined: "_Joined", new: BeamArrays
    ) -> Ints:
        """Write down longer beams; return the times of alignments that joined beams."""
        state = self.state
        rows, tokens = longer.rows[chosen], longer.tokens[chosen]
        prefixes = self.children[longer.flat[chosen]].astype(np.int64)
        missing = (prefixes < 0).nonzero()[0]
        prefixes[missing] = state.tree.add(self.ints[PREFIX, rows[missing]], tokens[missing])
        needs_blank = tokens == self.ints[LAST, rows]
        times = self._start_tokens(
            np.concatenate([joined.rows, rows]), np.concatenate([joined.needs_blank, needs_blank])
        )
        num_joined = len(joined.beams)
        new.ints[PREFIX] = prefixes
        new.ints[LAST] = tokens
        new.ints[PART] = longer.parts[chosen]
        new.ints[CONTEXT] = longer.contexts[chosen]
        new.ints[KEY] = longer.keys[chosen]
        new.ints[BLANK_TIMES] = new.ints[TOKEN_TIMES] = times[num_joined:]
        new.ints[BLANK_END] = state.num_frames
        best = np.where(needs_blank, self.floats[BEST_BLANK, rows], self.best[rows])
        new.floats[BLANK] = new.floats[BEST_BLANK] = -np.inf
        new.floats[TOKEN] = longer.log_probs[chosen]
        new.floats[BEST_TOKEN] = best + self.log_probs[longer.columns[chosen]]
        new.floats[CLOSED] = longer.closed[chosen]
        new.floats[BONUS] = longer.bonus[chosen]
        return times[:num_joined]

    def _start_tokens(self, rows: Ints, needs_blank: Bools) -> Ints:
        """Return new times of tokens that start after the best alignments of some beams."""
        ints, now = self.ints, self.state.num_frames
        after_blank = needs_blank | self.best_is_blank[rows]
        before = np.where(after_blank, ints[BLANK_TIMES, rows], ints[TOKEN_TIMES, rows])
        ends = np.where(after_blank, ints[BLANK_END, rows], now)
        return self.state.times.add(before, ends, now)


@dataclass(slots=True)
class _Joined:
    """Beams whose best alignment a token has just extended from another beam, shape (N,)."""

    beams: Ints
    rows: Ints  # from where
    needs_blank: Bools


@dataclass(slots=True)
class _Longer:
    """Beams one token longer, shape (N,)."""

    flat: Ints  # place among all extensions
    rows: Ints
    columns: Ints
    tokens: Ints
    contexts: Ints
    parts: Ints
    keys: Ints
    closed: Floats
    bonus: Floats
    log_probs: Floats
