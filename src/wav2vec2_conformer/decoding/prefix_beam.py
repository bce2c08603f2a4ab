"""CTC prefix beam search with a language model of words and hot words.

Papers: Graves et al. 2006, "Connectionist Temporal Classification", Section 3.2 (prefix
search), https://www.cs.toronto.edu/~graves/icml_2006.pdf; Hannun et al. 2014, "First-Pass Large
Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs", Algorithm 1,
https://arxiv.org/abs/1408.2873.

Shapes used in this file:
    T  frames
    V  vocabulary
    K  tokens that are tried in a frame, the blank not among them
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.decoding.few_beams import follow_few
from wav2vec2_conformer.decoding.greedy import check_log_probs
from wav2vec2_conformer.decoding.hot_words import HotWords
from wav2vec2_conformer.decoding.hypothesis import Hypothesis
from wav2vec2_conformer.decoding.many_beams import follow_many
from wav2vec2_conformer.decoding.ranking import rank_hypotheses
from wav2vec2_conformer.decoding.search_state import SearchState
from wav2vec2_conformer.decoding.word_scores import SharedParts, WordScores, WordWeights
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.language_models.language_model import LanguageModel

# Frames that are made ready at once; it bounds the memory for one long array.
_BLOCK_FRAMES = 1024
# Beams times tries for which arrays are slower than one after another.
_MAX_FEW = 80
# Rounding leaves the logarithm of a sure token a little above zero.
_LARGEST_LOG_PROB = 1e-2


class PrefixBeamSearch:
    """Finds the likeliest texts of log-probabilities, summed over their alignments.

    The score of a text is its log-probability (of all alignments that were followed), plus,
    with a language model, `alpha` times that of the words and of the end, `beta` for each word
    and `unknown_word_score` for each word that it does not know, plus what hot words add
    (`hot_words`). Several delimiters in a row are one, and those at the ends are none.

    Frames come in blocks of any sizes, which do not change the result. Memory does not grow
    with their number, but for the tokens that are certain already and when they were heard.

    Args:
        tokens: Text of each token. Tokens without text are blanks to the search.
        blank_id: Number of the CTC blank.
        delimiter: The token between words. A vocabulary without it makes one word of
            everything.
        beam_width: Ends of alignments that are followed: a sequence of tokens counts once with
            a blank at its end and once without.
        token_min_log_prob: A token less likely in a frame than this is not tried there, unless
            it is the likeliest.
        beam_prune_log_prob: What scores less than the best by more than this is given up;
            negative.
        language_model: Scores words; None for none.
        alpha: Weight of its log-probabilities, not negative.
        beta: Added for each word, with a language model.
        unknown_word_score: Added for each word that the language model does not know.
        unknown_part_score: What a word that grows costs for now, once the language model knows
            none that begins so: times its length / 6 beyond 6 characters. It steers the search
            and is not part of a result's score. None for `unknown_word_score`; not positive.
        hot_words: Words or phrases, and the natural logarithm that each adds.

    Raises:
        InputError: When an argument is out of range; when a language model or hot words are
            given and no delimiter is in the vocabulary.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        *,
        blank_id: int = 0,
        delimiter: str = "|",
        beam_width: int = 100,
        token_min_log_prob: float = -5.0,
        beam_prune_log_prob: float = -10.0,
        language_model: LanguageModel | None = None,
        alpha: float = 0.5,
        beta: float = 1.5,
        unknown_word_score: float = -10.0,
        unknown_part_score: float | None = None,
        hot_words: Mapping[str, float] | None = None,
    ) -> None:
        if not 0 <= blank_id < len(tokens):
            raise InputError(
                f"blank_id must be a token number from 0 to {len(tokens) - 1}, but is {blank_id}."
            )
        if beam_width < 1:
            raise InputError(f"beam_width must be positive, but is {beam_width}.")
        if not beam_prune_log_prob < 0:
            raise InputError(
                f"beam_prune_log_prob must be negative, but is {beam_prune_log_prob:g}."
            )
        if not alpha >= 0:
            raise InputError(f"alpha must not be negative, but is {alpha:g}.")
        if unknown_part_score is None:
            unknown_part_score = min(0.0, unknown_word_score)
        if not unknown_part_score <= 0:
            raise InputError(
                f"unknown_part_score must not be positive, but is {unknown_part_score:g}."
            )
        if (language_model is not None or hot_words) and delimiter not in tokens:
            raise InputError(
                "a language model and hot words need a vocabulary with a token between words, "
                f"but {delimiter!r} is not in it."
            )
        tokens = list(tokens)
        self._num_tokens = len(tokens)
        self._blank_id = blank_id
        self._delimiter_id = tokens.index(delimiter) if delimiter in tokens else len(tokens)
        self._silent_ids = [i for i, text in enumerate(tokens) if not text or i == blank_id]
        self._beam_width = beam_width
        self._token_min_log_prob = token_min_log_prob
        self._beam_prune_log_prob = beam_prune_log_prob
        self._weights = WordWeights(
            language_model=language_model,
            alpha=alpha,
            beta=beta,
            unknown_word_score=unknown_word_score,
            unknown_part_score=unknown_part_score,
            hot_words=HotWords(hot_words) if hot_words else None,
        )
        self._parts = SharedParts(tokens, blank_id=blank_id, weights=self._weights)

    def start(self, num_best: int = 1) -> SearchState:
        """Start an utterance.

        Args:
            num_best: How many hypotheses `finish` will be asked for. With one, beams whose
                words differ only too long ago to matter for what follows are merged, so that
                the best is found with fewer of them.

        Raises:
            InputError: When `num_best` is not positive.
        """
        if num_best < 1:
            raise InputError(f"num_best must be positive, but is {num_best}.")
        words = WordScores(self._weights, self._parts, delimiter_id=self._delimiter_id)
        return SearchState(
            self._num_tokens,
            delimiter_id=self._delimiter_id,
            words=words,
            beam_width=self._beam_width,
            prune_log_prob=self._beam_prune_log_prob,
            num_best=num_best,
        )

    def advance(self, state: SearchState, log_probs: NDArray[Any]) -> None:
        """Take in the next frames of an utterance.

        Args:
            state: What `start` returned; it is changed.
            log_probs: Natural log-probabilities of shape (T, V), padding removed.

        Raises:
            InputError: When the shape is wrong, a value is NaN, plus infinity or no
                log-probability, or a frame has no possible token.
        """
        check_log_probs(log_probs, self._blank_id)
        if log_probs.shape[1] != self._num_tokens:
            raise InputError(
                f"log_probs must have one column for each of {self._num_tokens} tokens, but "
                f"have shape {log_probs.shape}."
            )
        most = np.max(log_probs, axis=1, initial=-np.inf)
        if np.any(most > _LARGEST_LOG_PROB):
            raise InputError(
                f"log_probs must be natural log-probabilities, but a value is {most.max():g}. "
                "Apply log_softmax to logits first."
            )
        if np.any(most == -np.inf):
            raise InputError(
                f"log_probs must leave each frame a possible token, but frame {most.argmin()} of "
                "these has none."
            )
        for first in range(0, len(log_probs), _BLOCK_FRAMES):
            block = log_probs[first : first + _BLOCK_FRAMES].astype(np.float64)
            self._advance_block(state, block)

    def finish(self, state: SearchState, num_best: int = 1) -> list[Hypothesis]:
        """Return the best hypotheses of all frames so far, best first.

        The state stays as it is, so that an utterance can be looked at while it goes on.

        Args:
            state: What `start` returned.
            num_best: Most hypotheses to return; there may be fewer, but always one.
        """
        return rank_hypotheses(state, num_best)

    def decode(self, log_probs: NDArray[Any], num_best: int = 1) -> list[Hypothesis]:
        """Decode one whole utterance: `start`, `advance` and `finish`."""
        state = self.start(num_best)
        self.advance(state, log_probs)
        return self.finish(state, num_best)

    def _advance_block(self, state: SearchState, log_probs: NDArray[np.float64]) -> None:
        if len(self._silent_ids) > 1:
            log_probs[:, self._blank_id] = np.logaddexp.reduce(
                log_probs[:, self._silent_ids], axis=1
            )
            others = [i for i in self._silent_ids if i != self._blank_id]
            log_probs[:, others] = -np.inf
        is_tried = log_probs >= self._token_min_log_prob
        is_tried[np.arange(len(log_probs)), np.argmax(log_probs, axis=1)] = True
        is_tried &= log_probs > -np.inf
        blank = log_probs[:, self._blank_id]
        blanks = np.where(is_tried[:, self._blank_id], blank, -np.inf).tolist()
        is_tried[:, self._blank_id] = False
        frames, tokens = np.nonzero(is_tried)  # of all tries, K for each frame
        values = log_probs[frames, tokens]
        ends = np.searchsorted(frames, np.arange(1, len(log_probs) + 1)).tolist()
        first = 0
        for end, blank_log_prob in zip(ends, blanks, strict=True):
            num_tried = end - first
            if not num_tried:
                state.pass_blank(blank_log_prob)
            elif len(state.beams) * (num_tried + 1) <= _MAX_FEW:
                follow_few(
                    state, blank_log_prob, tokens[first:end].tolist(), values[first:end].tolist()
                )
            else:
                follow_many(state, blank_log_prob, tokens[first:end], values[first:end])
            first = end
