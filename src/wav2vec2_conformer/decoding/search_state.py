"""All that a prefix beam search knows of an utterance after some frames."""

import math
from array import array

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.decoding.beam import (
    BEST_BLANK,
    BEST_TOKEN,
    BLANK,
    BLANK_END,
    BLANK_TIMES,
    CONTEXT,
    KEY,
    PART,
    PREFIX,
    TOKEN,
    TOKEN_TIMES,
    Beam,
    BeamArrays,
    Floats,
    Ints,
    add_log_probs,
    to_arrays,
)
from wav2vec2_conformer.decoding.emission_times import EmissionTimes
from wav2vec2_conformer.decoding.prefix_tree import PrefixTree
from wav2vec2_conformer.decoding.word_parts import EMPTY, ENDLESS
from wav2vec2_conformer.decoding.word_scores import WordScores

_MAX_PREFIXES = 1 << 13
# Frames after which it is checked whether there is something to forget.
_FORGET_FRAMES = 16


class SearchState:
    """The beams of an utterance and what they refer to.

    Args:
        num_tokens: Size of the vocabulary V.
        delimiter_id: Number of the token between words, V where there is none.
        words: Scores of the words.
        beam_width: Ends that are followed.
        prune_log_prob: What scores less than the best by more than this is given up; negative.
        num_best: Of ends that nothing to come can tell apart, so many are followed; and that
            many times as many ends in all.

    Attributes:
        num_tokens: As given.
        delimiter_id: As given.
        words: As given.
        width: Ends that are followed in all.
        prune_log_prob: As given.
        num_best: As given.
        beams: The beams.
        num_frames: Frames so far.
        past_log_prob: What the scores of all beams have in common.
        past_tokens: Tokens that all beams begin with and that the tree has forgotten.
        tree: The tokens after them.
        times: When tokens were emitted.
    """

    def __init__(
        self,
        num_tokens: int,
        *,
        delimiter_id: int,
        words: WordScores,
        beam_width: int,
        prune_log_prob: float,
        num_best: int,
    ) -> None:
        self.num_tokens = num_tokens
        self.delimiter_id = delimiter_id
        self.words = words
        self.width = beam_width * num_best
        self.prune_log_prob = prune_log_prob
        self.num_best = num_best
        self.num_frames = 0
        self.past_log_prob = 0.0
        self.past_tokens = array("q")
        self.tree = PrefixTree(num_tokens, max_rows=_MAX_PREFIXES)
        self.times = EmissionTimes()
        self._is_after_blank = True
        self._num_endless = 0
        # Scratch: the place of each prefix among the beams, the value of each token.
        self._places: Ints = np.full(1 << 10, -1, dtype=np.int64)
        self._values: Floats = np.full(num_tokens + 1, -np.inf)
        # An empty prefix is like one that ends in a delimiter: another adds nothing.
        part = ENDLESS if delimiter_id == num_tokens else EMPTY
        key = self.make_key(0, part)
        none = -np.inf
        self.beams: list[Beam] | BeamArrays = [
            Beam(0, delimiter_id, part, 0, key, 0, 0, 0, 0.0, none, 0.0, none, 0.0, 0.0)
        ]

    def make_key(self, context: int, part: int) -> int:
        """Return a number that is the same for beams with the same words that matter.

        What follows adds the same to each of them. The lowest bit is left free.
        """
        if part == ENDLESS:
            # It stands for many words.
            self._num_endless += 1
            return -2 * self._num_endless
        return (context << 33) | (part << 1)

    def make_keys(self, contexts: Ints, parts: Ints) -> Ints:
        """Return `make_key` of beams, all of shape (N,)."""
        keys = (contexts << 33) | (parts << 1)
        for row in (parts == ENDLESS).nonzero()[0].tolist():
            keys[row] = self.make_key(0, ENDLESS)
        return keys

    def gather_values(self, tokens: Ints, values: Floats, wanted: Ints) -> Floats:
        """Return the values of wanted tokens; minus infinity for those that have none."""
        self._values[tokens] = values
        found = self._values[wanted]
        self._values[tokens] = -np.inf
        return found

    def find_places(self, prefixes: Ints, wanted: NDArray[np.int32]) -> Ints:
        """Return the places of wanted prefixes among prefixes; -1 for those not there."""
        if len(self._places) <= len(self.tree):
            self._places = np.full(2 * len(self.tree), -1, dtype=np.int64)
        self._places[prefixes] = np.arange(len(prefixes))
        places = self._places[wanted]
        self._places[prefixes] = -1
        return places

    def pass_blank(self, log_prob: float) -> None:
        """Take in a frame that is blank and nothing else.

        All beams lose the same by it, so that none is given up and their order stays.

        Args:
            log_prob: Log-probability of the blank.
        """
        if not self._is_after_blank:
            self._end_tokens()
            self._is_after_blank = True
        self.past_log_prob += log_prob
        self.num_frames += 1

    def go_on(self, beams: list[Beam] | BeamArrays) -> None:
        """Replace the beams after a frame that was not blank alone."""
        self.beams = beams
        self._is_after_blank = False
        self.num_frames += 1
        if self.num_frames % _FORGET_FRAMES == 0:
            self._forget()

    def _end_tokens(self) -> None:
        """Let all alignments end in a blank."""
        if isinstance(self.beams, BeamArrays):
            ints, floats = self.beams.ints, self.beams.floats
            rows = (floats[BEST_TOKEN] > floats[BEST_BLANK]).nonzero()[0]
            ints[BLANK_TIMES, rows] = ints[TOKEN_TIMES, rows]
            ints[BLANK_END, rows] = self.num_frames
            ints[TOKEN_TIMES] = ints[BLANK_TIMES]
            floats[BLANK] = np.logaddexp(floats[BLANK], floats[TOKEN])
            floats[BEST_BLANK] = np.maximum(floats[BEST_BLANK], floats[BEST_TOKEN])
            floats[TOKEN] = floats[BEST_TOKEN] = -np.inf
            return
        for beam in self.beams:
            if beam.best_token > beam.best_blank:
                beam.best_blank = beam.best_token
                beam.blank_times, beam.blank_end = beam.token_times, self.num_frames
            beam.blank = add_log_probs(beam.blank, beam.token)
            beam.token = beam.best_token = -math.inf
            beam.token_times = beam.blank_times

    def _forget(self) -> None:
        """Drop what no beam needs any more, where it has become much."""
        if not (self.tree.is_crowded or self.times.is_crowded or self.words.is_crowded):
            return
        beams = self.beams = to_arrays(self.beams)
        ints, floats = beams.ints, beams.floats
        if self.tree.is_crowded:
            numbers, cut = self.tree.compact(ints[PREFIX])
            ints[PREFIX] = numbers[ints[PREFIX]]
            self.past_tokens.extend(cut)
        if self.times.is_crowded:
            # Where there is no alignment of a kind, its times are old ones.
            has_blank, has_token = floats[BEST_BLANK] > -np.inf, floats[BEST_TOKEN] > -np.inf
            blank = np.where(has_blank, ints[BLANK_TIMES], ints[TOKEN_TIMES])
            token = np.where(has_token, ints[TOKEN_TIMES], blank)
            numbers = self.times.compact(np.concatenate([blank, token]))
            ints[BLANK_TIMES], ints[TOKEN_TIMES] = numbers[blank], numbers[token]
        if self.words.is_crowded:
            ints[CONTEXT], ints[PART] = self.words.compact(ints[CONTEXT], ints[PART])
            ints[KEY] = self.make_keys(ints[CONTEXT], ints[PART])
