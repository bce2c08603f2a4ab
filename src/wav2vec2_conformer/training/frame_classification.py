"""The task of frames: who speaks when, whether anyone does, or which sounds are heard."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.rttm import read_rttm
from wav2vec2_conformer.data.speaker_turns import SpeakerTurn, parse_segments
from wav2vec2_conformer.errors import ManifestError
from wav2vec2_conformer.models.audio_frame_classification import (
    Wav2Vec2ConformerForAudioFrameClassification,
)
from wav2vec2_conformer.nn.powerset import build_powerset
from wav2vec2_conformer.training.examples import (
    Examples,
    check_has_frames,
    choose_audio_dir,
    read_all,
)
from wav2vec2_conformer.training.frame_labels import FrameLabels, encode_turns
from wav2vec2_conformer.training.frame_scores import build_frame_metric, find_active
from wav2vec2_conformer.training.settings import FinetuneSettings
from wav2vec2_conformer.training.starting_model import name_outputs, start_model
from wav2vec2_conformer.training.task import PreparedTask
from wav2vec2_conformer.training.training_data import select_audible

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
    audio_dir = choose_audio_dir(settings)
    utterances = read_all(settings.train, audio_dir)
    turns = [read_turns(utterance) for utterance in utterances]
    names = _list_outputs(turns, settings)
    head = _head_values(names, settings)
    model, extractor = start_model(Wav2Vec2ConformerForAudioFrameClassification, settings, head)
    config = model.config
    labels = FrameLabels(len(names), tuple(config.conv_kernel), tuple(config.conv_stride))
    examples = _encode(utterances, turns, names, settings)
    valid = None
    if settings.valid is not None:
        held_out = read_all([settings.valid], audio_dir)
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
        train=select_audible(settings, examples, labels.count_frames, crowded),
        valid=valid,
        collate_labels=labels,
        predict=find_active,
        metrics=build_frame_metric(names, labels.frame_s, settings.output_dir),
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
