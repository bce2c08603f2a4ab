"""A test set of labelled clips, and a classifier run over it.

Shapes used in this file:
    U  clips
    C  labels, or outputs of a regression
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio import AudioSource
from wav2vec2_conformer.data.clip import load_utterance
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.reading import read_utterances
from wav2vec2_conformer.errors import ManifestError, Wav2Vec2ConformerError
from wav2vec2_conformer.evaluation.classification import (
    MultiLabelScores,
    RegressionScores,
    SingleLabelScores,
    score_multi_label,
    score_regression,
    score_single_label,
)
from wav2vec2_conformer.inference.classification import Classification, ProblemType
from wav2vec2_conformer.inference.classifier import Classifier
from wav2vec2_conformer.inference.transcript import Failure

_MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class LabelledClips:
    """A test set.

    Attributes:
        utterances: The clips; U of them, at least one.
        targets: What is true, shape (U, C): one or zero for each label, or the numbers of a
            regression.
        labels: The labels, or outputs, of the model that is tested.
        problem_type: As in `Classification`.
    """

    utterances: Sequence[Utterance]
    targets: NDArray[np.float64]
    labels: Sequence[str]
    problem_type: ProblemType


def read_labelled_clips(
    path: str | Path, labels: Sequence[str], problem_type: ProblemType
) -> LabelledClips:
    """Read a data set of any format of `data.reading` as a test set.

    A clip has its label in the key `label`; several labels, or several numbers of a regression
    in the model's order, are a list in the key `labels`.

    Args:
        path: Manifest, or folder with a folder for each label.
        labels: The model's labels.
        problem_type: What they are.

    Raises:
        ManifestError: The data set cannot be read, or a clip has no label, an unknown one, or
            more or fewer than the model gives.
    """
    utterances = read_utterances(path, check_files=False)
    numbers = {label: number for number, label in enumerate(labels)}
    targets = np.zeros((len(utterances), len(labels)))
    for row, utterance in enumerate(utterances):
        place = f"{path}, clip {row + 1} ({utterance.audio_path.name})"
        given = _given_labels(utterance, place)
        if problem_type == "regression":
            targets[row] = _parse_numbers(given, len(labels), place)
            continue
        if problem_type == "single_label_classification" and len(given) != 1:
            raise ManifestError(
                f"{place}: the model gives each clip one label, but this clip has {len(given)}."
            )
        for label in given:
            if label not in numbers:
                known = ", ".join(labels[:_MAX_SHOWN]) + ", ..." * (len(labels) > _MAX_SHOWN)
                raise ManifestError(f"{place}: the model has no label {label!r}; it has: {known}.")
            targets[row, numbers[label]] = 1
    return LabelledClips(utterances, targets, labels, problem_type)


def classify_clips(
    classifier: Classifier,
    clips: LabelledClips,
    *,
    batch_seconds: float = 60.0,
    on_progress: Callable[[float], None] | None = None,
) -> Iterator[tuple[int, Classification | Failure]]:
    """Classify the clips of a test set, of long files their parts alone.

    Args:
        classifier: Hears; all of its labels are scored.
        clips: The test set.
        batch_seconds: As for `Classifier.classify_many`.
        on_progress: As for `Classifier.classify_many`.

    Yields:
        A clip's position and result; failed reads of parts come early, all else in order.
    """
    failed: list[tuple[int, Failure]] = []
    positions: list[int] = []

    def iter_sources() -> Iterator[AudioSource]:
        for position, utterance in enumerate(clips.utterances):
            source: Any = utterance.audio_path
            if utterance.offset_s is not None:
                try:
                    waveform = load_utterance(utterance, classifier.sample_rate_hz)
                except Wav2Vec2ConformerError as error:
                    failed.append((position, Failure(str(utterance.audio_path), error)))
                    continue
                source = {
                    "path": str(utterance.audio_path),
                    "array": waveform,
                    "sampling_rate": classifier.sample_rate_hz,
                }
            positions.append(position)
            yield source

    results = classifier.classify_many(
        iter_sources(), top_k=None, batch_seconds=batch_seconds, on_progress=on_progress
    )
    for number, result in enumerate(results):
        yield from failed
        failed.clear()
        yield positions[number], result
    yield from failed


def score_clips(
    clips: LabelledClips, results: Mapping[int, Classification], *, seed: int = 0
) -> SingleLabelScores | MultiLabelScores | RegressionScores:
    """Score what a model says of a test set.

    Args:
        clips: The test set.
        results: Clip's position to its classification with all labels; at least one. Clips
            without one are left out of every number.
        seed: Of the bootstrap.
    """
    positions = sorted(results)
    targets = clips.targets[positions]
    scores = np.array([[results[i].scores[label] for label in clips.labels] for i in positions])
    speakers = [clips.utterances[i].speaker for i in positions]
    if clips.problem_type == "single_label_classification":
        return score_single_label(
            targets.argmax(axis=1),
            scores.argmax(axis=1),
            clips.labels,
            speakers=speakers,
            seed=seed,
        )
    if clips.problem_type == "multi_label_classification":
        return score_multi_label(targets > 0, scores, clips.labels, speakers=speakers, seed=seed)
    return score_regression(targets, scores, clips.labels, speakers=speakers, seed=seed)


def _given_labels(utterance: Utterance, place: str) -> list[str]:
    several = utterance.extra.get("labels")
    if several is not None:
        if not isinstance(several, list):
            raise ManifestError(f"{place}: labels must be a list, got {several!r}.")
        return [str(label) for label in several]
    if utterance.label is None:
        raise ManifestError(
            f"{place}: has no label; expected a key `label`, or `labels` with a list."
        )
    return [utterance.label]


def _parse_numbers(given: Sequence[str], num_outputs: int, place: str) -> list[float]:
    try:
        numbers = [float(value) for value in given]
    except ValueError as error:
        raise ManifestError(
            f"{place}: the model gives numbers, but the label is {', '.join(given)}."
        ) from error
    if len(numbers) != num_outputs or not np.isfinite(numbers).all():
        raise ManifestError(
            f"{place}: the model gives {num_outputs} numbers, but the clip has {len(numbers)}, or "
            "one that is not finite."
        )
    return numbers
