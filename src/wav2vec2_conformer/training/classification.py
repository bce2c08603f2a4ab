"""The task of classification: one label, several labels, or numbers for each clip.

Shapes used in this file:
    U  clips
    C  labels, or outputs of a regression
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor
from transformers import EvalPrediction

from wav2vec2_conformer.data.collation import stack_targets
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.errors import InputError, ManifestError
from wav2vec2_conformer.evaluation.classification import (
    score_multi_label,
    score_regression,
    score_single_label,
)
from wav2vec2_conformer.models.sequence_classification import (
    Wav2Vec2ConformerForSequenceClassification,
)
from wav2vec2_conformer.training.classification_examples import write_hardest_clips
from wav2vec2_conformer.training.examples import (
    Examples,
    check_has_frames,
    choose_audio_dir,
    read_all,
)
from wav2vec2_conformer.training.settings import FinetuneSettings
from wav2vec2_conformer.training.starting_model import name_outputs, start_model
from wav2vec2_conformer.training.task import Metrics, PreparedTask
from wav2vec2_conformer.training.training_data import select_audible

_BEST_METRICS = {
    "single_label_classification": ("accuracy", True),
    "multi_label_classification": ("macro_f1", True),
    "regression": ("mean_absolute_error", False),
}
_MAX_SHOWN = 20


def prepare_classification(settings: FinetuneSettings) -> PreparedTask:
    """Return the model and the labelled clips.

    Labels are those of the training data, in alphabetical order; they go into the model's
    `id2label`. A clip has its label in `label`, or several, or several numbers, in `labels`.

    Raises:
        CheckpointError: `model` is no checkpoint.
        InputError: Settings contradict each other.
        ManifestError: A data set cannot be used.
    """
    problem = settings.problem_type
    audio_dir = choose_audio_dir(settings)
    utterances = read_all(settings.train, audio_dir)
    given = [read_labels(utterance) for utterance in utterances]
    names = list_outputs(given, problem)
    head = name_outputs(names) | {"problem_type": problem}
    model, extractor = start_model(Wav2Vec2ConformerForSequenceClassification, settings, head)
    count_frames = PreparedTask.frame_counter(model)
    examples = Examples(utterances, build_targets(utterances, given, names, problem))
    valid = None
    if settings.valid is not None:
        held_out = read_all([settings.valid], audio_dir)
        labels = [read_labels(utterance) for utterance in held_out]
        valid = Examples(held_out, build_targets(held_out, labels, names, problem))
        check_has_frames(valid, count_frames)
    best_metric, greater_is_better = _BEST_METRICS[problem]
    return PreparedTask(
        model=model,
        preprocessing=extractor,
        train=select_audible(settings, examples, count_frames),
        valid=valid,
        collate_labels=stack_targets,
        predict=predict_logits,
        metrics=build_label_metric(names, problem, settings.output_dir),
        best_metric=best_metric,
        greater_is_better=greater_is_better,
    )


def read_labels(utterance: Utterance) -> list[str]:
    """Return what a data set says of a clip: its label, or all of its labels.

    Raises:
        ManifestError: It says nothing.
    """
    several = utterance.extra.get("labels")
    if isinstance(several, list):
        return [str(label) for label in several]
    if utterance.label is None:
        raise ManifestError(
            f"{utterance.audio_path}: has no label; expected a key label, a list in labels, or "
            "a folder for each label"
        )
    return [utterance.label]


def list_outputs(given: Sequence[Sequence[str]], problem: str) -> list[str]:
    """Return the names of the model's outputs.

    Args:
        given: Labels of each training clip.
        problem: As in the model's configuration.

    Raises:
        InputError: There is only one label.
    """
    if problem == "regression":
        return ["value"] if len(given[0]) == 1 else [f"value_{i}" for i in range(len(given[0]))]
    names = sorted({label for labels in given for label in labels})
    if problem == "single_label_classification" and len(names) == 1:
        raise InputError(
            f"all training clips have the label {names[0]!r}: there is nothing to tell apart"
        )
    return names


def build_targets(
    utterances: Sequence[Utterance],
    given: Sequence[Sequence[str]],
    names: Sequence[str],
    problem: str,
) -> list[npt.NDArray[Any]]:
    """Return a class index, or an array (C,), of each clip.

    Args:
        utterances: The clips.
        given: Labels of each.
        names: Of the outputs, C of them.
        problem: As in the model's configuration.

    Raises:
        ManifestError: A clip's labels are unknown, too many, or no numbers.
    """
    numbers = {name: i for i, name in enumerate(names)}
    targets: list[npt.NDArray[Any]] = []
    for utterance, labels in zip(utterances, given, strict=True):
        place = str(utterance.audio_path)
        if problem == "regression":
            targets.append(_parse_numbers(labels, len(names), place))
            continue
        unknown = [label for label in labels if label not in numbers]
        if unknown:
            known = ", ".join(names[:_MAX_SHOWN]) + ", ..." * (len(names) > _MAX_SHOWN)
            raise ManifestError(
                f"{place}: the training data has no label {unknown[0]!r}; it has {known}"
            )
        if problem == "multi_label_classification":
            row = np.zeros(len(names), dtype=np.float32)
            row[[numbers[label] for label in labels]] = 1
            targets.append(row)
        elif len(labels) == 1:
            targets.append(np.asarray(numbers[labels[0]]))
        else:
            raise ManifestError(
                f"{place}: has {len(labels)} labels; with problem_type="
                "single_label_classification every clip has one"
            )
    return targets


def _parse_numbers(labels: Sequence[str], num_outputs: int, place: str) -> npt.NDArray[Any]:
    try:
        values = np.array([float(label) for label in labels], dtype=np.float32)
    except ValueError as error:
        raise ManifestError(f"{place}: a regression learns numbers, got {labels}") from error
    if len(values) != num_outputs or not np.isfinite(values).all():
        raise ManifestError(
            f"{place}: expected {num_outputs} finite numbers as of the first clip, got {labels}"
        )
    return values


def predict_logits(model: Any, inputs: Mapping[str, Any], outputs: Any) -> Tensor:  # noqa: ARG001
    """Return the logits [B, C]."""
    return outputs.logits


def build_label_metric(names: Sequence[str], problem: str, run_dir: Path | None = None) -> Metrics:
    """Return the metrics of the trainer: accuracy and F1, or the error of numbers.

    Args:
        names: Of the outputs.
        problem: As in the model's configuration.
        run_dir: Folder that the hardest clips are written into; None for none.
    """

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        logits = np.asarray(prediction.predictions, dtype=np.float64)
        targets = np.asarray(prediction.label_ids)
        if run_dir is not None:
            write_hardest_clips(run_dir, logits, targets, prediction.inputs, names, problem)
        if problem == "single_label_classification":
            single = score_single_label(targets.astype(np.int64), logits.argmax(axis=1), names)
            return {"accuracy": single.accuracy.value, "macro_f1": single.macro_f1.value}
        if problem == "multi_label_classification":
            several = score_multi_label(targets > 0, 1 / (1 + np.exp(-logits)), names)
            return {
                "macro_f1": several.macro_f1.value,
                "mean_average_precision": several.mean_average_precision.value,
            }
        numbers = score_regression(targets.astype(np.float64), logits, names).outputs
        return {
            "mean_absolute_error": float(np.mean([o.mean_absolute_error.value for o in numbers])),
            "pearson": float(np.mean([o.pearson.value for o in numbers])),
        }

    return compute_metrics
