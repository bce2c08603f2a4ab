"""What a frame does to few beams, one after another.

An operation on an array costs more than the same on a few numbers. `many_beams` does the same
with arrays.
"""

import math
from collections.abc import Sequence
from operator import itemgetter

from wav2vec2_conformer.decoding.beam import Beam, add_log_probs, to_objects
from wav2vec2_conformer.decoding.search_state import SearchState

_NONE = -math.inf

_End = tuple[float, bool, Beam]
"""A score, whether it is that of the alignments that end in a blank, and the beam."""


def follow_few(
    state: SearchState, blank_log_prob: float, tokens: Sequence[int], log_probs: Sequence[float]
) -> None:
    """Take in a frame.

    Args:
        state: The search; it is changed.
        blank_log_prob: Log-probability of the blank; minus infinity leaves it out.
        tokens: Numbers of the tokens to try.
        log_probs: Their log-probabilities.
    """
    step = _Step(state)
    tries = list(zip(tokens, log_probs, strict=True))
    for beam, blank, token, best_blank, best_token, blank_start, token_start in step.before:
        total = add_log_probs(blank, token)
        best, start = best_token, token_start
        if best_blank > best_token:
            best, start = best_blank, blank_start
        beam.blank, beam.best_blank = total + blank_log_prob, best + blank_log_prob
        beam.blank_times, beam.blank_end = start
        for tried, log_prob in tries:
            if tried != beam.last:
                step.extend(beam, tried, total + log_prob, best + log_prob, start)
            elif tried == state.delimiter_id:
                # A word ends once, however many delimiters follow it.
                step.repeat(beam, total + log_prob, best + log_prob, start[0])
            else:
                step.repeat(beam, token + log_prob, best_token + log_prob, token_start[0])
                if blank > _NONE:
                    # The same token once more needs a blank between.
                    step.extend(beam, tried, blank + log_prob, best_blank + log_prob, blank_start)
    state.go_on(step.finish())


class _Step:
    """The beams after a frame, by their prefixes, and what they were before it.

    Prefixes that are not in the tree yet have negative numbers. Where the last token of the
    best alignment starts in this frame, `starts` tells after which times and where they end.
    """

    def __init__(self, state: SearchState) -> None:
        self.state = state
        self.beams: dict[int, Beam] = {}
        self.starts: dict[int, tuple[int, int]] = {}
        self.before = []
        for beam in to_objects(state.beams):
            self.before.append(
                (
                    beam,
                    beam.blank,
                    beam.token,
                    beam.best_blank,
                    beam.best_token,
                    (beam.blank_times, beam.blank_end),
                    (beam.token_times, state.num_frames),
                )
            )
            beam.token = beam.best_token = _NONE
            self.beams[beam.prefix] = beam

    def extend(
        self, beam: Beam, token: int, total: float, best: float, start: tuple[int, int]
    ) -> None:
        """Add alignments that make a beam one token longer."""
        state = self.state
        prefix = int(state.tree.children[beam.prefix, token])
        if prefix < 0:
            prefix = -(beam.prefix * state.num_tokens + token) - 1
        longer = self.beams.get(prefix)
        if longer is None:
            context, part, added, worth = state.words.extend_one(beam.context, beam.part, token)
            closed = beam.closed + added
            longer = self.beams[prefix] = Beam(
                prefix,
                token,
                part,
                context,
                state.make_key(context, part),
                0,
                0,
                0,
                _NONE,
                _NONE,
                _NONE,
                _NONE,
                closed,
                closed + worth,
            )
        longer.token = add_log_probs(longer.token, total)
        if best > longer.best_token:
            longer.best_token = best
            self.starts[prefix] = start

    def repeat(self, beam: Beam, total: float, best: float, times: int) -> None:
        """Add alignments whose last token goes on."""
        beam.token = add_log_probs(beam.token, total)
        if best > beam.best_token:
            beam.best_token = best
            beam.token_times = times
            self.starts.pop(beam.prefix, None)

    def finish(self) -> list[Beam]:
        """Return the beams to go on with."""
        state = self.state
        ends: list[_End] = []
        for beam in self.beams.values():
            if beam.blank > _NONE:
                ends.append((beam.blank + beam.bonus, True, beam))
            if beam.token > _NONE:
                ends.append((beam.token + beam.bonus, False, beam))
        # Which ends of a beam are followed: 1 for the blank, 2 for the token, 3 for both.
        followed: dict[int, int] = {}
        for _, is_blank, beam in self._select(ends):
            kind = 1 if is_blank else 2
            followed[beam.prefix] = followed.get(beam.prefix, 0) | kind
        beams = []
        for prefix, kinds in followed.items():
            beam = self.beams[prefix]
            beams.append(beam)
            if not kinds & 1:
                beam.blank = beam.best_blank = _NONE
            if not kinds & 2:
                beam.token = beam.best_token = _NONE
            elif prefix in self.starts:
                beam.token_times = state.times.add_one(*self.starts[prefix], state.num_frames)
            if prefix < 0:
                beam.prefix = state.tree.add_one(*divmod(-prefix - 1, state.num_tokens))
        return beams

    def _select(self, ends: list[_End]) -> list[_End]:
        """Return the ends to follow."""
        if len(ends) == 1:
            return ends
        state = self.state
        ends.sort(key=itemgetter(0), reverse=True)
        limit = ends[0][0] + state.prune_log_prob
        num_alike: dict[int, int] = {}
        selected = []
        for end in ends[: state.width]:
            if end[0] < limit:
                break
            key = end[2].key + end[1]
            num_alike[key] = num_alike.get(key, 0) + 1
            if num_alike[key] <= state.num_best:
                selected.append(end)
        return selected
