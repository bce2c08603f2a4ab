"""Scores of hypotheses against references."""

from wav2vec2_conformer.evaluation.comparison import Comparison, compare
from wav2vec2_conformer.evaluation.corpus import Evaluation, UtteranceErrors, evaluate_texts
from wav2vec2_conformer.evaluation.word_error import WordErrors, score

__all__ = [
    "Comparison",
    "Evaluation",
    "UtteranceErrors",
    "WordErrors",
    "compare",
    "evaluate_texts",
    "score",
]
