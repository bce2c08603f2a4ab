"""How well a language model predicts a text."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.language_models.language_model import LanguageModel


@dataclass(frozen=True, slots=True)
class Prediction:
    """A language model on a text. The end of each sentence is predicted like a word.

    Attributes:
        num_sentences: Sentences with a word.
        num_words: Words, ends not counted.
        num_unknown: Words that the model does not know.
        log_prob: Of words and ends, natural logarithm.
        known_log_prob: Without the unknown words.
    """

    num_sentences: int
    num_words: int
    num_unknown: int
    log_prob: float
    known_log_prob: float

    @property
    def perplexity(self) -> float:
        """Per word and end; unknown words cost what the model gives `<unk>`."""
        return math.exp(-self.log_prob / (self.num_words + self.num_sentences))

    @property
    def known_perplexity(self) -> float:
        """Per known word and end; unknown words do not count, but those after them do."""
        num_known = self.num_words + self.num_sentences - self.num_unknown
        return math.exp(-self.known_log_prob / num_known)

    @property
    def unknown_rate(self) -> float:
        """Share of unknown words."""
        return self.num_unknown / self.num_words


def predict_text(language_model: LanguageModel, sentences: Iterable[str]) -> Prediction:
    """Score sentences, each from its start to its end.

    Args:
        language_model: The model.
        sentences: Words between white space; sentences without a word are passed over.

    Raises:
        InputError: The text has no words.
    """
    num_sentences = num_words = num_unknown = 0
    log_prob = unknown_log_prob = 0.0
    for sentence in sentences:
        words = sentence.split()
        if not words:
            continue
        num_sentences += 1
        num_words += len(words)
        state = language_model.start()
        for word in words:
            added, state = language_model.score(state, word)
            log_prob += added
            if word not in language_model:
                num_unknown += 1
                unknown_log_prob += added
        log_prob += language_model.score_end(state)
    if not num_words:
        raise InputError("the text has no words. Give plain text, one sentence a line.")
    return Prediction(num_sentences, num_words, num_unknown, log_prob, log_prob - unknown_log_prob)
