"""Word and character error rates."""

from collections.abc import Sequence
from dataclasses import dataclass

import jiwer

from wav2vec2_conformer.errors import InputError


@dataclass(frozen=True)
class WordErrors:
    """Errors of hypotheses, summed over a corpus.

    Attributes:
        wer: Word error rate: substitutions, deletions and insertions per reference word.
            Can be above 1.
        cer: Character error rate, spaces between words included.
        num_words: Words of the references.
        num_characters: Characters of the references.
        substitutions: Words recognized as another.
        deletions: Words missing from the hypotheses.
        insertions: Words of the hypotheses that nobody said.
    """

    wer: float
    cer: float
    num_words: int
    num_characters: int
    substitutions: int
    deletions: int
    insertions: int


def score(references: Sequence[str], hypotheses: Sequence[str]) -> WordErrors:
    """Score hypotheses against references, word by word and character by character.

    Texts are compared as they are, but for white space: words are what stands between it.
    Normalize both sides before (`text.normalizers`). An empty reference counts: every word
    of its hypothesis is an insertion. Where all references together have no words, a rate is
    the number of insertions. Both are jiwer's definitions. `evaluate_texts` tells more.

    Args:
        references: What was said.
        hypotheses: What was recognized, in the same order.

    Returns:
        Counts and rates of the whole corpus, not averages over utterances.

    Raises:
        InputError: The numbers of texts differ, or there are none.
    """
    check_pairs(references, hypotheses)
    # jiwer splits at spaces alone.
    said = [" ".join(text.split()) for text in references]
    recognized = [" ".join(text.split()) for text in hypotheses]
    words = jiwer.process_words(said, recognized)
    characters = jiwer.process_characters(said, recognized)
    return WordErrors(
        wer=float(words.wer),
        cer=float(characters.cer),
        num_words=words.hits + words.substitutions + words.deletions,
        num_characters=characters.hits + characters.substitutions + characters.deletions,
        substitutions=words.substitutions,
        deletions=words.deletions,
        insertions=words.insertions,
    )


def check_pairs(references: Sequence[str], hypotheses: Sequence[str]) -> None:
    """Check that there are as many hypotheses as references, and any.

    Raises:
        InputError: There are not.
    """
    if len(references) != len(hypotheses):
        raise InputError(f"got {len(references)} references but {len(hypotheses)} hypotheses")
    if not references:
        raise InputError("there is nothing to score: no references were given")
