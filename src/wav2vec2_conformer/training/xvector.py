"""The task of telling speakers apart: an x-vector model and speech of known speakers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from transformers import EvalPrediction

from wav2vec2_conformer.data.collation import stack_targets
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.errors import InputError, ManifestError
from wav2vec2_conformer.evaluation.verification import compute_eer, compute_error_curve
from wav2vec2_conformer.models.xvector import Wav2Vec2ConformerForXVector
from wav2vec2_conformer.training.examples import (
    Examples,
    check_has_frames,
    choose_audio_dir,
    read_all,
)
from wav2vec2_conformer.training.report.examples import (
    TextExample,
    shorten_name,
    write_hardest,
)
from wav2vec2_conformer.training.settings import FinetuneSettings
from wav2vec2_conformer.training.starting_model import name_outputs, start_model
from wav2vec2_conformer.training.task import Metrics, PreparedTask
from wav2vec2_conformer.training.training_data import select_audible

# Pairs of validation clips that are scored; of more, so many are drawn.
MAX_TRIALS = 200_000


def prepare_xvector(settings: FinetuneSettings) -> PreparedTask:
    """Return the model and the clips of each speaker.

    Training speakers are classes of the AM-softmax loss. Validation speakers are best others:
    all pairs of their clips are trials, scored by the cosine of the embeddings.

    Raises:
        CheckpointError: `model` is no checkpoint.
        InputError: Settings contradict each other.
        ManifestError: A data set cannot be used.
    """
    audio_dir = choose_audio_dir(settings)
    utterances = read_all(settings.train, audio_dir)
    speakers = sorted({read_speaker(utterance) for utterance in utterances})
    if len(speakers) == 1:
        raise InputError(
            f"all training clips are of the speaker {speakers[0]!r}: there is nobody to tell apart"
        )
    head = name_outputs(speakers)
    model, extractor = start_model(Wav2Vec2ConformerForXVector, settings, head)
    count_frames = PreparedTask.frame_counter(model)
    examples = _number_speakers(utterances, speakers)
    valid = None
    if settings.valid is not None:
        held_out = read_all([settings.valid], audio_dir)
        valid = _number_speakers(held_out, sorted({read_speaker(u) for u in held_out}))
        check_has_frames(valid, count_frames)
        _check_trials(valid)
    return PreparedTask(
        model=model,
        preprocessing=extractor,
        train=select_audible(settings, examples, count_frames),
        valid=valid,
        collate_labels=stack_targets,
        predict=predict_embeddings,
        metrics=build_trial_metric(settings.output_dir),
        best_metric="eer",
        greater_is_better=False,
        has_eval_loss=False,  # the loss knows training speakers alone
    )


def read_speaker(utterance: Utterance) -> str:
    """Return who speaks.

    Raises:
        ManifestError: The data set does not say it.
    """
    if utterance.speaker is None:
        raise ManifestError(f"{utterance.audio_path}: has no speaker; expected a key speaker")
    return utterance.speaker


def _number_speakers(utterances: list[Utterance], speakers: list[str]) -> Examples:
    numbers = {name: i for i, name in enumerate(speakers)}
    return Examples(utterances, [np.asarray(numbers[read_speaker(u)]) for u in utterances])


def _check_trials(valid: Examples) -> None:
    counts = np.bincount(np.asarray(valid.targets))
    if len(counts) == 1 or counts.max() == 1:
        raise ManifestError(
            "the validation data needs at least two speakers, one of them with two clips, for "
            f"pairs of one and of two speakers; got {len(counts)} speakers, at most "
            f"{counts.max()} clips each"
        )


def predict_embeddings(model: Any, inputs: Mapping[str, Any], outputs: Any) -> Tensor:  # noqa: ARG001
    """Return the embeddings [B, D], as `Verifier` compares them."""
    return outputs.embeddings


def build_trial_metric(run_dir: Path | None = None) -> Metrics:
    """Return the metric of the trainer: the equal error rate of pairs of validation clips.

    Args:
        run_dir: Folder that the hardest pairs are written into; None for none.
    """

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        embeddings = np.asarray(prediction.predictions, dtype=np.float64)
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True).clip(min=1e-12)
        speakers = np.asarray(prediction.label_ids).reshape(-1)
        first, second = np.triu_indices(len(speakers), k=1)
        if len(first) > MAX_TRIALS:
            drawn = np.random.default_rng(0).choice(len(first), MAX_TRIALS, replace=False)
            first, second = first[drawn], second[drawn]
        is_target = speakers[first] == speakers[second]
        if is_target.all() or not is_target.any():
            return {}  # by chance no pair of one kind was drawn
        scores = np.einsum("nd,nd->n", embeddings[first], embeddings[second])
        eer, threshold = compute_eer(compute_error_curve(scores, is_target.tolist()))
        if run_dir is not None:
            clips = prediction.inputs

            def describe(i: int) -> TextExample:
                return TextExample(
                    "one speaker" if is_target[i] else "two speakers",
                    f"cosine {scores[i]:.3f}, the threshold is {threshold:.3f}",
                    f"{shorten_name(clips[first[i]])} and {shorten_name(clips[second[i]])}",
                    is_transcript=False,
                )

            below = threshold - scores
            write_hardest(run_dir, np.where(is_target, below, -below), describe)
        return {"eer": eer}

    return compute_metrics
