"""Error rates of parts of a test set: of each speaker, of short and of long utterances."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wav2vec2_conformer.evaluation.bootstrap import Interval, bootstrap_rate
from wav2vec2_conformer.evaluation.error_counts import ErrorCounts, sum_counts

# Seconds at which one duration bin ends and the next starts.
DURATION_EDGES_S = (2, 5, 10, 15, 20, 30)
NO_LABEL = "(none)"


@dataclass(frozen=True, slots=True)
class Slice:
    """The utterances with one label.

    Attributes:
        label: The speaker, the range of durations, or another value that they share.
        num_utterances: How many.
        duration_s: Seconds of their audio, None where not known.
        counts: Their errors.
        interval: Of the rate, over utterances; None for one utterance.
    """

    label: str
    num_utterances: int
    duration_s: float | None
    counts: ErrorCounts
    interval: Interval | None


def duration_bin(duration_s: float) -> str:
    """Return the name of the duration bin: `0-2 s`, `2-5 s`, ..., `30 s and more`."""
    start_s = 0
    for end_s in DURATION_EDGES_S:
        if duration_s < end_s:
            return f"{start_s}-{end_s} s"
        start_s = end_s
    return f"{start_s} s and more"


def slice_by_label(
    labels: Sequence[str | None],
    counts: Sequence[ErrorCounts],
    durations_s: Sequence[float | None],
    *,
    seed: int = 0,
) -> tuple[Slice, ...]:
    """Add up the errors of the utterances of each label.

    Args:
        labels: Of each utterance; None becomes a label of its own.
        counts: Errors of each utterance.
        durations_s: Seconds of each utterance.
        seed: Of the bootstrap.

    Returns:
        The slices, the highest error rate first.
    """
    members: dict[str, list[int]] = {}
    for position, label in enumerate(labels):
        members.setdefault(NO_LABEL if label is None else label, []).append(position)
    slices = [
        _build_slice(
            label,
            [counts[i] for i in positions],
            [durations_s[i] for i in positions],
            seed,
        )
        for label, positions in members.items()
    ]
    return tuple(sorted(slices, key=lambda part: (-part.counts.rate, part.label)))


def slice_by_duration(
    counts: Sequence[ErrorCounts], durations_s: Sequence[float], *, seed: int = 0
) -> tuple[Slice, ...]:
    """Do as `slice_by_label` with ranges of durations, short ones first."""
    labels = [duration_bin(duration_s) for duration_s in durations_s]
    slices = slice_by_label(labels, counts, durations_s, seed=seed)
    return tuple(sorted(slices, key=lambda part: float(part.label.split("-")[0].split()[0])))


def _build_slice(
    label: str, counts: Sequence[ErrorCounts], durations_s: Sequence[float | None], seed: int
) -> Slice:
    known_s = [duration_s for duration_s in durations_s if duration_s is not None]
    units = np.array([(count.num_errors, count.num_reference) for count in counts])
    return Slice(
        label=label,
        num_utterances=len(counts),
        duration_s=sum(known_s) if len(known_s) == len(durations_s) else None,
        counts=sum_counts(counts),
        interval=bootstrap_rate(units, seed=seed),
    )
