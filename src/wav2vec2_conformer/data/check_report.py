"""What a check of a data set found, as plain values and as text."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from wav2vec2_conformer.data.checks import KINDS, Finding
from wav2vec2_conformer.data.clip_check import ClipCheck
from wav2vec2_conformer.data.manifest import Utterance

_PERCENTILES = (0, 5, 50, 95, 100)
_NUM_EXAMPLES = 3


def build_report(
    utterances: Sequence[Utterance],
    checks: Sequence[ClipCheck],
    findings: Mapping[int, Sequence[Finding]],
    *,
    dropped_kinds: Collection[str],
    characters: Mapping[str, int],
    vocabulary: Mapping[str, int] | None,
) -> dict[str, Any]:
    """Return the report as values that JSON holds.

    Args:
        utterances: What was checked.
        checks: Of each utterance.
        findings: By position, of those that have any.
        dropped_kinds: Kinds whose utterances are dropped.
        characters: How often the normalized texts have each character.
        vocabulary: What the texts were compared with, None for nothing.

    Returns:
        `summary`, `findings` (by kind, those that occur), `sample_rates`, `durations`,
        `characters`, and `utterances`: those with findings.
    """
    dropped = find_dropped(findings, dropped_kinds)
    seconds = [
        check.duration_s or u.duration_s for u, check in zip(utterances, checks, strict=True)
    ]
    return {
        "summary": {
            "utterances": len(utterances),
            "hours": _hours(seconds),
            "speakers": len({u.speaker for u in utterances} - {None}),
            "kept_utterances": len(utterances) - len(dropped),
            "kept_hours": _hours([s for i, s in enumerate(seconds) if i not in dropped]),
        },
        "findings": _count_findings(findings, seconds, dropped_kinds),
        "sample_rates": {
            str(rate): number
            for rate, number in Counter(c.sample_rate_hz for c in checks if not c.problem).items()
        },
        "durations": {
            f"p{percentile}": round(float(value), 3)
            for percentile, value in zip(
                _PERCENTILES, np.percentile(seconds, _PERCENTILES), strict=True
            )
        },
        "characters": [
            {
                "character": character,
                "code": f"U+{ord(character):04X}",
                "name": unicodedata.name(character, "?"),
                "count": number,
                "known": vocabulary is None or character in vocabulary,
            }
            for character, number in sorted(characters.items(), key=lambda item: -item[1])
        ],
        "utterances": [
            {
                "audio_filepath": str(utterances[position].audio_path),
                "offset": utterances[position].offset_s,
                "text": utterances[position].text,
                "dropped": position in dropped,
                "findings": [{"kind": f.kind, "detail": f.detail} for f in findings[position]],
            }
            for position in sorted(findings)
        ],
    }


def find_dropped(
    findings: Mapping[int, Sequence[Finding]], dropped_kinds: Collection[str]
) -> set[int]:
    """Return the positions of the utterances that have a finding of one of the kinds."""
    return {
        position
        for position, found in findings.items()
        if any(finding.kind in dropped_kinds for finding in found)
    }


def format_report(report: Mapping[str, Any]) -> str:
    """Return the report as lines of text for a terminal."""
    summary = report["summary"]
    durations = report["durations"]
    size = f"{summary['utterances']} utterances, {summary['hours']:.2f} hours"
    extent = f"{durations['p0']:.2f} to {durations['p100']:.2f} s"
    lines = [
        f"{size}, {summary['speakers']} speakers",
        f"durations: {extent}, half of them below {durations['p50']:.2f} s",
        "sample rates: "
        + ", ".join(f"{rate} Hz ({n})" for rate, n in report["sample_rates"].items()),
    ]
    for name, found in report["findings"].items():
        fate = "dropped" if found["dropped"] else "kept"
        lines.append(f"{name}: {found['utterances']} {fate} ({found['meaning']})")
        examples = [
            (entry, finding["detail"])
            for entry in report["utterances"]
            for finding in entry["findings"]
            if finding["kind"] == name
        ]
        lines += [
            f"    {entry['audio_filepath']}: {detail.removeprefix(entry['audio_filepath'] + ': ')}"
            for entry, detail in examples[:_NUM_EXAMPLES]
        ]
        if len(examples) > _NUM_EXAMPLES:
            lines.append(f"    and {len(examples) - _NUM_EXAMPLES} more")
    num_dropped = summary["utterances"] - summary["kept_utterances"]
    lines.append(
        f"kept {summary['kept_utterances']} utterances, {summary['kept_hours']:.2f} hours; "
        f"dropped {num_dropped}"
    )
    return "\n".join(lines) + "\n"


def _count_findings(
    findings: Mapping[int, Sequence[Finding]],
    seconds: Sequence[float],
    dropped_kinds: Collection[str],
) -> dict[str, dict[str, Any]]:
    counted = {}
    for name, kind in KINDS.items():
        positions = [i for i, found in findings.items() if any(f.kind == name for f in found)]
        if positions:
            counted[name] = {
                "meaning": kind.meaning,
                "dropped": name in dropped_kinds,
                "utterances": len(positions),
                "hours": _hours([seconds[i] for i in positions]),
            }
    return counted


def _hours(seconds: Sequence[float]) -> float:
    return round(sum(seconds) / 3600, 4)
