"""The task of frames: who speaks when, whether anyone does, or which sounds are heard.

Shapes used in this file:
    B  recordings in the batch
    T  frames
    S  outputs: speakers, or labels
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import EvalPrediction

from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.rttm import read_rttm
from wav2vec2_conformer.data.speaker_turns import SpeakerTurn, parse_segments
from wav2vec2_conformer.errors import ManifestError
from wav2vec2_conformer.models.audio_frame_classification import (
    Wav2Vec2ConformerForAudioFrameClassification,
)
from wav2vec2_conformer.nn.assignment import find_assignment
from wav2vec2_conformer.nn.powerset import build_powerset
from wav2vec2_conformer.training.examples import (
    Examples,
    check_has_frames,
    read_all,
    select_examples,
    too_short,
)
from wav2vec2_conformer.training.frame_labels import FrameLabels, encode_turns
from wav2vec2_conformer.training.report.examples import (
    TextExample,
    shorten_name,
    write_hardest,
)
from wav2vec2_conformer.training.settings import FinetuneSettings
from wav2vec2_conformer.training.starting_model import (
    build_starting_model,
    name_outputs,
    read_feature_extractor,
    read_starting_config,
)
from wav2vec2_conformer.training.task import Metrics, PreparedTask

SPEECH = "speech"
_RTTM_KEY = "rttm_filepath"


def prepare_frame_classification(settings: FinetuneSettings) -> PreparedTask:
    """Return the model and the recordings with their turns.

    A recording has its turns in the manifest's key `segments`, or in an RTTM file that
    `rttm_filepath` names. `frame_labels` says what the outputs are: speakers in any order
    (trained with the order that fits best), speech of anyone, or a label for each name.

    Raises:
        CheckpointError: `model` is no checkpoint.
        InputError: Settings contradict each other.
        ManifestError: A data set cannot be used.
    """
    utterances = read_all(settings.train)
    turns = [read_turns(utterance) for utterance in utterances]
    names = _list_outputs(turns, settings)
    config = read_starting_config(settings.model, settings.config, settings.model_config)
    config.update(_head_values(names, settings))
    extractor = read_feature_extractor(settings.model)
    model = build_starting_model(
        Wav2Vec2ConformerForAudioFrameClassification, settings.model, config
    )
    labels = FrameLabels(len(names), tuple(config.conv_kernel), tuple(config.conv_stride))
    examples = _encode(utterances, turns, names, settings)
    valid = None
    if settings.valid is not None:
        held_out = read_all([settings.valid])
        valid = _encode(held_out, [read_turns(u) for u in held_out], names, settings)
        check_has_frames(valid, labels.count_frames)
        _check_columns(valid, len(names), settings)
    crowded = (
        f"have more than num_speakers, {settings.num_speakers}, speakers",
        lambda i: _num_columns(examples.targets[i]) > len(names),
    )
    return PreparedTask(
        model=model,
        preprocessing=extractor,
        train=select_examples(
            examples,
            max_duration_s=settings.max_duration_s,
            also=[
                crowded,
                too_short(examples, labels.count_frames, 1 + settings.speed_perturbation),
            ],
        ),
        valid=valid,
        collate_labels=labels,
        predict=count_frame_errors,
        metrics=build_frame_metric(settings.output_dir),
        best_metric="frame_error_rate",
        greater_is_better=False,
    )


def read_turns(utterance: Utterance) -> tuple[SpeakerTurn, ...]:
    """Return who speaks when, as the data set says.

    Raises:
        ManifestError: It says nothing, or its RTTM file has not this recording.
    """
    place = str(utterance.audio_path)
    if "segments" in utterance.extra:
        return parse_segments(utterance.extra["segments"], place)
    if _RTTM_KEY not in utterance.extra:
        raise ManifestError(
            f"{place}: does not say who speaks when; expected a key segments, a list of objects "
            f"with start, end and speaker, or {_RTTM_KEY}, an RTTM file"
        )
    path = Path(str(utterance.extra[_RTTM_KEY]))
    if not path.is_absolute() and not path.is_file():
        path = utterance.audio_path.parent / path
    recordings = read_rttm(path)
    if len(recordings) == 1:
        return next(iter(recordings.values()))
    if utterance.audio_path.stem not in recordings:
        raise ManifestError(
            f"{path}: holds {len(recordings)} recordings, none of them "
            f"{utterance.audio_path.stem}, the name of {place}"
        )
    return recordings[utterance.audio_path.stem]


def _list_outputs(turns: Sequence[Sequence[SpeakerTurn]], settings: FinetuneSettings) -> list[str]:
    if settings.frame_labels == "speech":
        return [SPEECH]
    if settings.frame_labels == "speakers":
        return [f"speaker_{i}" for i in range(settings.num_speakers)]
    names = sorted({turn.speaker for of_recording in turns for turn in of_recording})
    if not names:
        raise ManifestError("no recording of the training data has a segment")
    return names


def _head_values(names: Sequence[str], settings: FinetuneSettings) -> dict[str, Any]:
    """Return the values of the configuration that the head and its loss are made of."""
    values: dict[str, Any] = {
        "problem_type": "multi_label_classification",
        "permutation_invariant_loss": settings.frame_labels == "speakers",
        "max_simultaneous_speakers": None,
    }
    outputs = list(names)
    if settings.frame_loss == "powerset":
        most = min(settings.max_simultaneous_speakers, len(names))
        members = build_powerset(len(names), most).tolist()
        outputs = [
            "+".join(name for name, is_in in zip(names, row, strict=True) if is_in) or "nobody"
            for row in members
        ]
        values |= {"problem_type": None, "max_simultaneous_speakers": most}
    return values | name_outputs(outputs)


def _encode(
    utterances: list[Utterance],
    turns: Sequence[Sequence[SpeakerTurn]],
    names: Sequence[str],
    settings: FinetuneSettings,
) -> Examples:
    return Examples(
        utterances,
        [
            encode_turns(found, _columns(found, names, settings), utterance.duration_s)
            for utterance, found in zip(utterances, turns, strict=True)
        ],
    )


def _columns(
    turns: Sequence[SpeakerTurn], names: Sequence[str], settings: FinetuneSettings
) -> list[int]:
    """Return the output of each turn; speakers are numbered as they begin to speak."""
    if settings.frame_labels == "speech":
        return [0] * len(turns)
    if settings.frame_labels == "names":
        for turn in turns:
            if turn.speaker not in names:
                raise ManifestError(
                    f"no training recording has the name {turn.speaker!r}; they have "
                    f"{', '.join(names)}"
                )
        return [names.index(turn.speaker) for turn in turns]
    order = list(dict.fromkeys(turn.speaker for turn in turns))
    return [order.index(turn.speaker) for turn in turns]


def _num_columns(target: npt.ArrayLike) -> int:
    columns = np.asarray(target)[:, 2]
    return int(columns.max(initial=-1)) + 1


def _check_columns(valid: Examples, num_outputs: int, settings: FinetuneSettings) -> None:
    for utterance, target in zip(valid.utterances, valid.targets, strict=True):
        if _num_columns(target) > num_outputs:
            raise ManifestError(
                f"{utterance.audio_path}: has {_num_columns(target)} speakers, more than "
                f"num_speakers, {settings.num_speakers}; raise it or remove the line"
            )


def count_frame_errors(model: Any, inputs: Mapping[str, Any], outputs: Any) -> Tensor:
    """Return counts of speaker frames [B, 4]: true, missed, falsely found, confused.

    Speakers in no order are matched with the outputs that fit them best.
    """
    labels = inputs["labels"].to(outputs.logits.device)
    counted = (labels >= 0).all(dim=2)  # (B, T)
    truth = (labels > 0) & counted[..., None]
    if model.powerset is None:
        found = outputs.logits > 0
    else:
        found = model.powerset.to(outputs.logits.device)[outputs.logits.argmax(dim=2)]
    found = found & counted[..., None]
    if model.config.permutation_invariant_loss:
        agreement = torch.einsum("bti,btj->bij", found.float(), truth.float())
        order = find_assignment(-agreement)  # target of each output
        truth = truth.gather(2, order[:, None, :].expand_as(truth))
    num_true, num_found = truth.sum(dim=2), found.sum(dim=2)  # (B, T)
    right = (truth & found).sum(dim=2)
    counts = [
        num_true,
        (num_true - num_found).clamp(min=0),
        (num_found - num_true).clamp(min=0),
        torch.minimum(num_true, num_found) - right,
    ]
    return torch.stack([count.sum(dim=1) for count in counts], dim=1).float()


def build_frame_metric(run_dir: Path | None = None) -> Metrics:
    """Return the metric of the trainer: a diarization error without collar, and its parts.

    Args:
        run_dir: Folder that the recordings with most errors are written into; None for none.
    """

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        counts = np.asarray(prediction.predictions, dtype=np.float64)
        num_true, *errors = counts.sum(axis=0)
        rates = np.array(errors) / max(num_true, 1.0)
        if run_dir is not None:

            def describe(i: int) -> TextExample:
                spoken, missed, false, confused = map(round, counts[i])
                return TextExample(
                    f"{spoken} frames with speech",
                    f"{missed} missed, {false} falsely found, {confused} confused",
                    shorten_name(prediction.inputs[i]),
                    is_transcript=False,
                )

            write_hardest(run_dir, counts[:, 1:].sum(axis=1), describe)
        names = ("miss_rate", "false_alarm_rate", "confusion_rate")
        return {"frame_error_rate": float(rates.sum())} | dict(
            zip(names, rates.tolist(), strict=True)
        )

    return compute_metrics
