"""Scores in units of how a voice scores against strangers (adaptive symmetric normalization).

Some voices are near to everybody; a raw score that is high for one voice is low for another.
Paper: Matějka et al. 2017, "Analysis of score normalization in multilingual speaker recognition",
https://www.isca-archive.org/interspeech_2017/matejka17_interspeech.html (AS-norm1).

Shapes used in this file:
    S  speakers of the cohort
    D  width of an embedding
"""

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import InputError

_MIN_SPEAKERS = 2
TOP_SPEAKERS = 300


class ScoreNormalization:
    """Normalizes cosines by those with the nearest speakers of a cohort.

    Args:
        cohort: Embeddings of other speakers, shape (S, D), of length 1, one a speaker.
        top_speakers: How many of them count for a voice, the nearest ones; all where there
            are fewer.

    Raises:
        InputError: When the cohort has fewer than two speakers, or `top_speakers` is below two.
    """

    def __init__(self, cohort: NDArray[np.float32], *, top_speakers: int = TOP_SPEAKERS) -> None:
        if cohort.ndim != 2 or min(len(cohort), top_speakers) < _MIN_SPEAKERS:  # noqa: PLR2004
            raise InputError(
                f"score normalization needs a cohort of at least {_MIN_SPEAKERS} speakers, got "
                f"embeddings of shape {cohort.shape} and top_speakers {top_speakers}."
            )
        self._cohort = cohort
        self._num_top = min(top_speakers, len(cohort))

    def normalize(
        self, score: float, first: NDArray[np.float32], second: NDArray[np.float32]
    ) -> float:
        """Return the mean of a score's distances from the cohort's, as seen by each voice.

        Args:
            score: Cosine of the two.
            first: Embedding of length 1, shape (D,).
            second: Another.
        """
        distances = []
        for vector in (first, second):
            mean, deviation = self._measure(vector)
            distances.append((score - mean) / deviation)
        return float(np.mean(distances))

    def _measure(self, vector: NDArray[np.float32]) -> tuple[float, float]:
        """Return mean and standard deviation of the highest cosines with the cohort."""
        cosines = self._cohort.astype(np.float64) @ vector.astype(np.float64)
        top = np.sort(cosines)[-self._num_top :]
        # A cohort of one voice many times over would divide by zero.
        return float(top.mean()), max(float(top.std()), 1e-6)
