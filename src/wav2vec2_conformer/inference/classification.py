"""What a classification returns."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

ProblemType = Literal["single_label_classification", "multi_label_classification", "regression"]


@dataclass(frozen=True, slots=True)
class WindowScores:
    """Scores of a part of a recording.

    Attributes:
        start_s: Seconds from the start of the recording.
        end_s: Seconds from the start of the recording, later than `start_s`.
        scores: As in `Classification`.
    """

    start_s: float
    end_s: float
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Classification:
    """The labels of one recording.

    Attributes:
        source: Name of the recording: its path, `stdin`, `<bytes>` or `<array>`.
        duration_s: Length of the recording in seconds.
        problem_type: `single_label_classification`: probabilities of which those of all labels
            sum to 1. `multi_label_classification`: each label has a probability of its own.
            `regression`: numbers, not probabilities.
        scores: Label to probability, largest first; of a regression, output to number, in the
            model's order. As many as were asked for.
        windows: The parts that the model heard, in order; `scores` is their mean.
    """

    source: str
    duration_s: float
    problem_type: ProblemType
    scores: Mapping[str, float]
    windows: tuple[WindowScores, ...]


def keep_best(result: Classification, top_k: int) -> Classification:
    """Return a classification with its most probable labels alone.

    Args:
        result: With at least as many labels. A regression stays as it is.
        top_k: Number of labels, in the windows too.
    """
    if result.problem_type == "regression":
        return result

    def cut(scores: Mapping[str, float]) -> dict[str, float]:
        return dict(islice(scores.items(), top_k))

    windows = tuple(replace(window, scores=cut(window.scores)) for window in result.windows)
    return replace(result, scores=cut(result.scores), windows=windows)
