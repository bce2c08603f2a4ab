"""Scores of a diarization, as text and as JSON."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wav2vec2_conformer.evaluation.diarization import DiarizationErrors, DiarizationScores

# More recordings would push the totals off the screen; JSON has all of them.
_MAX_ROWS = 30


def format_diarization_scores(scores: "DiarizationScores") -> str:
    """Return scores as a table: a row for each recording, and one for all together."""
    titles = ["recording", "speech s", "missed %", "false alarm %", "confusion %", "DER %", "JER %"]
    rows = [_row(name, errors) for name, errors in scores.recordings.items()]
    if len(rows) == 1 or len(rows) > _MAX_ROWS:
        rows = []
    rows.append(
        _row("all" if len(scores.recordings) > 1 else next(iter(scores.recordings)), scores.total)
    )
    overlap = "left out" if scores.skips_overlap else "scored"
    convention = (
        f"recordings: {len(scores.recordings)}; collar: {scores.collar_s:g} s on each side; "
        f"overlapped speech: {overlap}"
    )
    lines = [convention, *_align([titles, *rows])]
    if scores.interval is not None:
        low, high = 100 * scores.interval.low, 100 * scores.interval.high
        lines.append(f"95 % confidence interval of the DER: {low:.1f} to {high:.1f} %")
    return "".join(f"{line}\n" for line in lines)


def diarization_scores_as_json(scores: "DiarizationScores") -> dict[str, Any]:
    """Return scores as values of JSON; rates are parts of 1, what is not defined is null."""
    interval = scores.interval
    return {
        "collar": scores.collar_s,
        "skip_overlap": scores.skips_overlap,
        **_as_json(scores.total),
        "der_interval": None
        if interval is None
        else [round(interval.low, 6), round(interval.high, 6)],
        "recordings": {name: _as_json(errors) for name, errors in scores.recordings.items()},
    }


def _row(name: str, errors: "DiarizationErrors") -> list[str]:
    speech_s = errors.speech_s
    parts = (errors.missed_s, errors.false_alarm_s, errors.confusion_s)
    rates = [part / speech_s if speech_s else math.nan for part in parts]
    rates += [errors.der, errors.jer]
    shown = ["-" if math.isnan(rate) else f"{100 * rate:.1f}" for rate in rates]
    return [name, f"{speech_s:.1f}", *shown]


def _as_json(errors: "DiarizationErrors") -> dict[str, Any]:
    return {
        "der": None if math.isnan(errors.der) else round(errors.der, 6),
        "jer": None if math.isnan(errors.jer) else round(errors.jer, 6),
        "speech": round(errors.speech_s, 3),
        "missed": round(errors.missed_s, 3),
        "false_alarm": round(errors.false_alarm_s, 3),
        "confusion": round(errors.confusion_s, 3),
        "num_speakers": errors.num_speakers,
    }


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose first column is aligned left and all others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
