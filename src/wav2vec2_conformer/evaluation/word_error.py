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
    Normalize both sides before (`text.normalization`). An empty reference counts: every word
    of its hypothesis is an insertion. Where all references together have no words, a rate is
    0 without insertions, and infinite with any.

    Args:
        references: What was said.
        hypotheses: What was recognized, in the same order.

    Returns:
        Counts and rates of the whole corpus, not averages over utterances.

    Raises:
        InputError: The numbers of texts differ, or there are none.
    """
    if len(references) != len(hypotheses):
        raise InputError(f"got {len(references)} references but {len(hypotheses)} hypotheses")
    if not references:
        raise InputError("there is nothing to score: no references were given")
    # jiwer refuses empty references: these are counted here.
    pairs = [
        (" ".join(r.split()), " ".join(h.split()))
        for r, h in zip(references, hypotheses, strict=True)
    ]
    spoken = [(r, h) for r, h in pairs if r]
    silent = [h for r, h in pairs if not r]
    inserted_words = sum(len(h.split()) for h in silent)
    inserted_characters = sum(len(h) for h in silent)
    substitutions = deletions = character_errors = num_words = num_characters = 0
    if spoken:
        said, recognized = [r for r, _ in spoken], [h for _, h in spoken]
        words = jiwer.process_words(said, recognized)
        characters = jiwer.process_characters(said, recognized)
        substitutions, deletions = words.substitutions, words.deletions
        inserted_words += words.insertions
        num_words = words.hits + words.substitutions + words.deletions
        num_characters = characters.hits + characters.substitutions + characters.deletions
        character_errors = characters.substitutions + characters.deletions + characters.insertions
    return WordErrors(
        wer=_rate(substitutions + deletions + inserted_words, num_words),
        cer=_rate(character_errors + inserted_characters, num_characters),
        num_words=num_words,
        num_characters=num_characters,
        substitutions=substitutions,
        deletions=deletions,
        insertions=inserted_words,
    )


def _rate(num_errors: int, num_reference: int) -> float:
    if num_reference:
        return num_errors / num_reference
    return float("inf") if num_errors else 0.0
