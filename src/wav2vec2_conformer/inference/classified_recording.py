"""The scores of one recording, as windows of it come out of the model.

Shapes used in this file:
    W  windows
    C  labels
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import AudioError, CheckpointError, Wav2Vec2ConformerError
from wav2vec2_conformer.inference.classification import (
    Classification,
    ProblemType,
    WindowScores,
)
from wav2vec2_conformer.inference.transcript import Failure


class ClassifiedRecording:
    """A recording on its way through a classifier.

    Args:
        name: What to call it in messages and results.
        labels: Names of the labels.
        problem_type: What the scores mean.

    Attributes:
        duration_s: Length of the recording; to be set before the end.
        error: Why there is no result.
    """

    def __init__(self, name: str, labels: Sequence[str], problem_type: ProblemType) -> None:
        self.duration_s = 0.0
        self.error: Wav2Vec2ConformerError | None = None
        self._name = name
        self._labels = labels
        self._problem_type = problem_type
        self._rows: dict[tuple[float, float], NDArray[np.float32]] = {}

    def add(self, start_s: float, end_s: float, scores: NDArray[np.float32]) -> None:
        """Take the scores of a window, shape (C,); windows may come in any order."""
        self._rows[start_s, end_s] = scores

    def finish(self, top_k: int | None) -> Classification | Failure:
        """Return the result when all windows have come.

        Args:
            top_k: Labels to keep, the most probable ones; None for all.
        """
        if self.error is not None:
            return Failure(self._name, self.error)
        if not self._rows:
            reason = (
                f"{self._name}: is {self.duration_s * 1000:.0f} ms long, which is shorter than a "
                "frame of the model."
            )
            return Failure(self._name, AudioError(reason))
        spans_s = sorted(self._rows)
        rows = np.array([self._rows[span_s] for span_s in spans_s], dtype=np.float64)  # (W, C)
        if not np.isfinite(rows).all():
            reason = (
                f"{self._name}: the model's output is not finite. Its weights are damaged, or "
                "compute_type float16 is too small for it: try float32."
            )
            return Failure(self._name, CheckpointError(reason))
        lengths_s = [end_s - start_s for start_s, end_s in spans_s]
        return Classification(
            source=self._name,
            duration_s=self.duration_s,
            problem_type=self._problem_type,
            scores=self._name_scores(np.average(rows, axis=0, weights=lengths_s), top_k),
            windows=tuple(
                WindowScores(start_s, end_s, self._name_scores(row, top_k))
                for (start_s, end_s), row in zip(spans_s, rows, strict=True)
            ),
        )

    def _name_scores(self, row: NDArray[np.float64], top_k: int | None) -> dict[str, float]:
        if self._problem_type == "regression":
            order = np.arange(len(row))
        else:
            order = np.argsort(-row, kind="stable")[:top_k]
        return {self._labels[i]: float(row[i]) for i in order.tolist()}
