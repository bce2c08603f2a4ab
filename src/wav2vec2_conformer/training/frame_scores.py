"""Who was found to speak when on a validation set: errors of frames, and timelines.

Shapes used in this file:
    N  recordings
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

from wav2vec2_conformer.data.collation import LABEL_PADDING
from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.inference.speech_runs import find_runs
from wav2vec2_conformer.nn.assignment import find_assignment
from wav2vec2_conformer.training.report.examples import (
    TextExample,
    Timeline,
    shorten_name,
    write_hardest,
)
from wav2vec2_conformer.training.task import Metrics

_NUM_TIMELINES = 8


def find_active(model: Any, inputs: Mapping[str, Any], outputs: Any) -> Tensor:
    """Return whether each output is active [B, T, S] int8, -100 where there is no label.

    Speakers in no order are put into the columns of the labels that fit them best.
    """
    labels = inputs["labels"].to(outputs.logits.device)
    is_padding = (labels < 0).any(dim=2, keepdim=True)
    if model.powerset is None:
        found = outputs.logits > 0
    else:
        found = model.powerset.to(outputs.logits.device)[outputs.logits.argmax(dim=2)] > 0
    found = found.masked_fill(is_padding, value=False)
    if model.config.permutation_invariant_loss:
        agreement = torch.einsum("bti,btj->bij", found.float(), (labels > 0).float())
        column_of_output = find_assignment(-agreement)
        output_of_column = column_of_output.argsort(dim=1)
        found = found.gather(2, output_of_column[:, None, :].expand_as(found))
    return found.to(torch.int8).masked_fill(is_padding, LABEL_PADDING)


def count_frame_errors(
    truth: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Return counts of speaker frames [N, 4]: true, missed, falsely found, confused.

    Args:
        truth: Who speaks, [N, T, S]; nobody in padding.
        found: Who was found to, of the same shape.
    """
    num_true, num_found = truth.sum(axis=2), found.sum(axis=2)  # (N, T)
    num_right = (truth & found).sum(axis=2)
    counts = [
        num_true,
        (num_true - num_found).clip(min=0),
        (num_found - num_true).clip(min=0),
        np.minimum(num_true, num_found) - num_right,
    ]
    return np.stack([count.sum(axis=1) for count in counts], axis=1)


def build_frame_metric(
    names: Sequence[str], frame_s: float, run_dir: Path | None = None
) -> Metrics:
    """Return the metric of the trainer: a diarization error without collar, and its parts.

    Args:
        names: Of the outputs, S of them.
        frame_s: Seconds from one frame to the next.
        run_dir: Folder that the recordings with most errors are written into; None for none.
    """

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        labels = np.asarray(prediction.label_ids)
        truth, found = labels > 0, np.asarray(prediction.predictions) > 0
        counts = count_frame_errors(truth, found)
        num_true, *errors = counts.sum(axis=0).tolist()
        rates = np.array(errors) / max(num_true, 1)
        if run_dir is not None:

            def describe(i: int) -> TextExample:
                spoken, missed, false, confused = counts[i].tolist()
                num_frames = int((labels[i] >= 0).all(axis=1).sum())
                return TextExample(
                    f"{spoken} frames with speech",
                    f"{missed} missed, {false} falsely found, {confused} confused",
                    shorten_name(prediction.inputs[i]),
                    is_transcript=False,
                    timeline=Timeline(
                        num_frames * frame_s,
                        find_turns(truth[i], names, frame_s),
                        find_turns(found[i], names, frame_s),
                    ),
                )

            difficulties = counts[:, 1:].sum(axis=1)
            write_hardest(run_dir, difficulties, describe, max_examples=_NUM_TIMELINES)
        kinds = ("miss_rate", "false_alarm_rate", "confusion_rate")
        return {"frame_error_rate": float(rates.sum())} | dict(
            zip(kinds, rates.tolist(), strict=True)
        )

    return compute_metrics


def find_turns(
    is_active: npt.NDArray[np.bool_], names: Sequence[str], frame_s: float
) -> tuple[SpeakerTurn, ...]:
    """Return frames [T, S] as turns, those of each name in order of time.

    Args:
        is_active: Whether each output is active.
        names: Of the outputs.
        frame_s: Seconds from one frame to the next.
    """
    return tuple(
        SpeakerTurn(first * frame_s, end * frame_s, name)
        for column, name in zip(is_active.T, names, strict=True)
        for first, end in find_runs(column.astype(np.float32), onset=0.5, offset=0.5)
    )
