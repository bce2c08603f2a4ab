"""Diarization error rate (DER) and Jaccard error rate (JER), by pyannote.metrics.

Conventions, which every number must name: the collar is the time left out on *each side* of a
boundary of the references (as NIST's md-eval counts it; pyannote.metrics takes both sides
together); overlapped speech is scored unless it is left out; speakers are mapped so that they
agree for the longest time. Without a UEM a recording is scored from its start to its end.

DER: Fiscus et al. 2006, "The Rich Transcription 2006 Spring Meeting Recognition Evaluation".
JER: Ryant et al. 2019, "The Second DIHARD Diarization Challenge",
https://arxiv.org/abs/1906.07839, Section 4.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.data.uem import Part
from wav2vec2_conformer.errors import InputError, MissingExtraError
from wav2vec2_conformer.evaluation.bootstrap import Interval, bootstrap_rate


@dataclass(frozen=True, slots=True)
class DiarizationErrors:
    """Errors in one recording, or in several together.

    Attributes:
        speech_s: Speech of the references; seconds in which two speak count twice.
        missed_s: Speech that was not found.
        false_alarm_s: Speech that was found and is none.
        confusion_s: Speech that was given to another speaker.
        jaccard: Sum over the speakers of the references of 1 - (time of both) / (time of either).
        num_speakers: Speakers of the references.
    """

    speech_s: float
    missed_s: float
    false_alarm_s: float
    confusion_s: float
    jaccard: float
    num_speakers: int

    @property
    def error_s(self) -> float:
        """Missed speech, false alarms and confusion together."""
        return self.missed_s + self.false_alarm_s + self.confusion_s

    @property
    def der(self) -> float:
        """Diarization error rate: errors over speech; may exceed 1, NaN without speech."""
        return self.error_s / self.speech_s if self.speech_s else float("nan")

    @property
    def jer(self) -> float:
        """Jaccard error rate: mean over the speakers, from 0 to 1; NaN without speakers."""
        return self.jaccard / self.num_speakers if self.num_speakers else float("nan")


@dataclass(frozen=True, slots=True)
class DiarizationScores:
    """How right diarizations are.

    Attributes:
        total: All recordings together: DER over all their speech, JER over all their speakers.
        recordings: Errors of each.
        interval: Of the DER, by drawing recordings; None where there are fewer than two.
        collar_s: Left out on each side of a boundary of the references.
        skips_overlap: Whether overlapped speech of the references was left out.
    """

    total: DiarizationErrors
    recordings: Mapping[str, DiarizationErrors]
    interval: Interval | None
    collar_s: float
    skips_overlap: bool


def score_diarization(
    references: Mapping[str, Sequence[SpeakerTurn]],
    hypotheses: Mapping[str, Sequence[SpeakerTurn]],
    parts: Mapping[str, Sequence[Part]],
    *,
    collar_s: float = 0.0,
    skips_overlap: bool = False,
    seed: int = 0,
) -> DiarizationScores:
    """Score who speaks when.

    Args:
        references: True turns of each recording; without turns nobody speaks.
        hypotheses: Found turns of the same recordings.
        parts: Scored parts of each, seconds; those of a UEM or the whole recording.
        collar_s: Left out on each side of a boundary of the references. 0.25 is usual for
            telephone speech, 0 for recent benchmarks.
        skips_overlap: Leaves out where two or more speak, according to the references.
        seed: Of the bootstrap.

    Raises:
        InputError: The three do not have the same recordings, or the collar is negative.
        MissingExtraError: pyannote.metrics is not installed.
    """
    if not references.keys() == hypotheses.keys() == parts.keys():
        raise InputError(
            "references, hypotheses and parts must be of the same recordings, got "
            f"{sorted(references)}, {sorted(hypotheses)} and {sorted(parts)}."
        )
    if not collar_s >= 0:
        raise InputError(f"collar_s must be 0 or more, but is {collar_s:g}.")
    check_scoring()
    from pyannote.metrics.diarization import (  # noqa: PLC0415 - of an extra
        DiarizationErrorRate,
        JaccardErrorRate,
    )

    settings: dict[str, Any] = {"collar": 2 * collar_s, "skip_overlap": skips_overlap}
    der, jer = DiarizationErrorRate(**settings), JaccardErrorRate(**settings)
    recordings = {}
    for name, turns in references.items():
        reference, hypothesis = _annotate(turns), _annotate(hypotheses[name])
        uem = _as_timeline(parts[name])
        found = der(reference, hypothesis, uem=uem, detailed=True)
        jaccard = jer(reference, hypothesis, uem=uem, detailed=True)
        recordings[name] = DiarizationErrors(
            speech_s=float(found["total"]),
            missed_s=float(found["missed detection"]),
            false_alarm_s=float(found["false alarm"]),
            confusion_s=float(found["confusion"]),
            jaccard=float(jaccard["speaker error"]),
            num_speakers=int(jaccard["speaker count"]),
        )
    milliseconds = [
        [round(errors.error_s * 1000), round(errors.speech_s * 1000)]
        for errors in recordings.values()
    ]
    return DiarizationScores(
        total=_add(recordings.values()),
        recordings=recordings,
        interval=bootstrap_rate(np.array(milliseconds, dtype=np.int64), seed=seed),
        collar_s=collar_s,
        skips_overlap=skips_overlap,
    )


def check_scoring() -> None:
    """Say early what scoring needs.

    Raises:
        MissingExtraError: pyannote.metrics is not installed.
    """
    # The parent first: find_spec of a missing parent's child is an error.
    if find_spec("pyannote") is None or find_spec("pyannote.metrics") is None:
        raise MissingExtraError("scoring a diarization", "pyannote-metrics", "eval")


def _annotate(turns: Iterable[SpeakerTurn]) -> Any:
    from pyannote.core import Annotation, Segment  # noqa: PLC0415 - of an extra

    annotation = Annotation()
    for track, turn in enumerate(turns):
        annotation[Segment(turn.start_s, turn.end_s), track] = turn.speaker
    # Overlapping turns of one speaker count once.
    return annotation.support()


def _as_timeline(parts: Iterable[Part]) -> Any:
    from pyannote.core import Segment, Timeline  # noqa: PLC0415 - of an extra

    return Timeline([Segment(start_s, end_s) for start_s, end_s in parts])


def _add(recordings: Iterable[DiarizationErrors]) -> DiarizationErrors:
    found = list(recordings)
    return DiarizationErrors(
        speech_s=sum(errors.speech_s for errors in found),
        missed_s=sum(errors.missed_s for errors in found),
        false_alarm_s=sum(errors.false_alarm_s for errors in found),
        confusion_s=sum(errors.confusion_s for errors in found),
        jaccard=sum(errors.jaccard for errors in found),
        num_speakers=sum(errors.num_speakers for errors in found),
    )
