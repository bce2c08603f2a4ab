"""How log-probabilities become words: what a user can choose."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.segments import split_segments
from wav2vec2_conformer.language_models.language_model import LanguageModel

DEFAULT_BEAM_WIDTH = 100


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How log-probabilities become words.

    Attributes:
        beam_width: Ends of alignments that a prefix beam search follows
            (`decoding.prefix_beam`). None for the best token of each frame, which is faster;
            but the search it is, with 100, when a language model, hot words or several
            transcripts are asked for.
        num_best: How many of the best transcripts to return.
        language_model: Scores words; None for none.
        alpha: Weight of its log-probabilities, not negative.
        beta: Added for each word, with a language model.
        unknown_word_score: Added for each word that the language model does not know.
        hot_words: Words and phrases to favour, as they are to be written; or with the natural
            logarithm that each adds.
        hot_word_weight: What a hot word without a number of its own adds.
        segment_pause_s: Silence between two words, in seconds, that ends a segment.
        max_segment_s: Longest segment in seconds.
        max_segment_characters: Longest text of a segment.

    Raises:
        InputError: When a number is out of range.
    """

    beam_width: int | None = None
    num_best: int = 1
    language_model: LanguageModel | None = None
    alpha: float = 0.5
    beta: float = 1.5
    unknown_word_score: float = -10.0
    hot_words: Mapping[str, float] | Sequence[str] = ()
    hot_word_weight: float = 10.0
    segment_pause_s: float = 0.6
    max_segment_s: float = 7.0
    max_segment_characters: int = 84

    def __post_init__(self) -> None:
        """Check what no search checks."""
        if self.num_best < 1:
            raise InputError(f"num_best must be positive, but is {self.num_best}.")
        if isinstance(self.hot_words, str):
            raise InputError(
                "hot_words must be words or a mapping from words to weights, but is the single "
                f"text {self.hot_words!r}. Put it into a list."
            )
        split_segments((), **self.segment_limits)

    @property
    def segment_limits(self) -> dict[str, Any]:
        """The arguments of `split_segments`."""
        return {
            "pause_s": self.segment_pause_s,
            "max_duration_s": self.max_segment_s,
            "max_characters": self.max_segment_characters,
        }

    @property
    def search_width(self) -> int | None:
        """Width of the beam search; None where none is needed."""
        needs_search = self.num_best > 1 or self.language_model is not None or self.hot_words
        return DEFAULT_BEAM_WIDTH if self.beam_width is None and needs_search else self.beam_width

    def weigh_hot_words(self, letters: Collection[str]) -> dict[str, float]:
        """Return the hot words in the case of a vocabulary, and what each adds.

        Args:
            letters: Texts of its tokens, the delimiter left out.

        Raises:
            InputError: When the tokens cannot spell a hot word in any case.
        """
        words = self.hot_words
        if not isinstance(words, Mapping):
            words = dict.fromkeys(words, self.hot_word_weight)
        known = {character for text in letters for character in text}
        return {_spell(word, known): float(weight) for word, weight in words.items()}


def _spell(hot_word: str, known: Collection[str]) -> str:
    """Return a hot word in the case of the vocabulary."""
    missing = {
        spelling: set("".join(spelling.split())).difference(known)
        for spelling in (hot_word, hot_word.lower(), hot_word.upper())
    }
    best = min(missing, key=lambda spelling: len(missing[spelling]))
    if missing[best]:
        raise InputError(
            f"the hot word {hot_word!r} cannot be heard: the vocabulary has no "
            f"{' '.join(sorted(missing[best]))}. Spell it with the characters of the model."
        )
    return best
