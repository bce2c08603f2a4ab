"""An evaluation as plain values, for `report.json` and for the page made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wav2vec2_conformer.evaluation.bootstrap import CONFIDENCE, NUM_SAMPLES, Interval
from wav2vec2_conformer.evaluation.comparison import Comparison, explain
from wav2vec2_conformer.evaluation.corpus import Evaluation, UtteranceErrors
from wav2vec2_conformer.evaluation.error_counts import ErrorCounts
from wav2vec2_conformer.evaluation.recognition import Recognition
from wav2vec2_conformer.evaluation.significance import NUM_PERMUTATIONS
from wav2vec2_conformer.evaluation.slices import NO_LABEL, Slice, duration_bin
from wav2vec2_conformer.evaluation.word_alignment import Edit

SCHEMA_VERSION = 1
_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class System:
    """One of the systems that a report is about.

    Attributes:
        recognition: What it recognized and what failed.
        evaluation: Its scores over the utterances that every system of the report has.
    """

    recognition: Recognition
    evaluation: Evaluation


def build_report(
    systems: Sequence[System],
    comparison: Comparison | None = None,
    *,
    manifest: str,
    seed: int = 0,
    memory_mb: float | None = None,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return everything that is known about one or two systems as values for JSON.

    Args:
        systems: One system, or the two that are compared; their evaluations are of the same
            utterances.
        comparison: Of the second with the first.
        manifest: Name of the test set.
        seed: That was used.
        memory_mb: Peak memory of the process.
        about: More facts: `program` and its version, when it was `created`, flags of `decoding`.

    Returns:
        The report; its keys are explained in `docs/guides/evaluation.md`.
    """
    first = systems[0].evaluation
    names = [system.recognition.name for system in systems]
    rows = zip(*(system.evaluation.utterances for system in systems), strict=True)
    return {
        "schema_version": SCHEMA_VERSION,
        **(about or {}),
        "manifest": manifest,
        "normalizer": first.normalizer,
        "unit": first.unit,
        "seed": seed,
        "confidence": CONFIDENCE,
        "resampled": first.resampled,
        "num_resampled": first.num_resampled,
        "num_bootstrap_samples": NUM_SAMPLES,
        "num_utterances": len(first.utterances),
        "no_label": NO_LABEL,
        "peak_memory_mb": None if memory_mb is None else round(memory_mb, 1),
        "systems": [_system(system) for system in systems],
        "comparison": None if comparison is None else _comparison(comparison, *names),
        "utterances": [_utterance(row) for row in rows],
    }


def _system(system: System) -> dict[str, Any]:
    recognition, evaluation = system.recognition, system.evaluation
    speed = recognition.speed
    return {
        "name": recognition.name,
        "wer": _rate(evaluation.words, evaluation.wer_interval),
        "cer": _rate(evaluation.characters, evaluation.cer_interval),
        "num_failed": len(recognition.failures),
        "failures": [recognition.failures[i] for i in sorted(recognition.failures)],
        "speed": None
        if speed is None
        else {
            "audio_s": round(speed.audio_s, 3),
            "wall_s": round(speed.wall_s, 3),
            "times_real_time": round(speed.times_real_time, 3),
        },
        "slices": {
            key: [_slice(part) for part in parts] for key, parts in evaluation.slices.items()
        },
    }


def _rate(counts: ErrorCounts, interval: Interval | None) -> dict[str, Any]:
    return {
        "rate": round(counts.rate, _DECIMALS),
        "low": None if interval is None else round(interval.low, _DECIMALS),
        "high": None if interval is None else round(interval.high, _DECIMALS),
        **_counts(counts),
    }


def _counts(counts: ErrorCounts) -> dict[str, int]:
    return {
        "substitutions": counts.substitutions,
        "deletions": counts.deletions,
        "insertions": counts.insertions,
        "num_reference": counts.num_reference,
    }


def _slice(part: Slice) -> dict[str, Any]:
    return {
        "label": part.label,
        "num_utterances": part.num_utterances,
        "duration_s": None if part.duration_s is None else round(part.duration_s, 3),
        **_rate(part.counts, part.interval),
    }


def _comparison(comparison: Comparison, first_name: str, second_name: str) -> dict[str, Any]:
    interval, relative = comparison.interval, comparison.relative_difference
    return {
        "unit": comparison.unit,
        "difference": round(comparison.difference, _DECIMALS),
        "low": None if interval is None else round(interval.low, _DECIMALS),
        "high": None if interval is None else round(interval.high, _DECIMALS),
        "relative_difference": None if relative is None else round(relative, _DECIMALS),
        "p_value": round(comparison.p_value, _DECIMALS),
        "is_significant": comparison.is_significant,
        "test": "approximate randomization, two-sided",
        "num_permutations": NUM_PERMUTATIONS,
        "resampled": comparison.resampled,
        "num_resampled": comparison.num_resampled,
        "num_better": comparison.num_better,
        "num_worse": comparison.num_worse,
        "num_equal": comparison.num_equal,
        "explanation": explain(comparison, first_name, second_name),
    }


def _utterance(row: tuple[UtteranceErrors, ...]) -> dict[str, Any]:
    """Return an utterance with the results of each system."""
    first = row[0]
    return {
        "audio_filepath": first.name,
        "duration_s": first.duration_s,
        "duration_bin": None if first.duration_s is None else duration_bin(first.duration_s),
        "speaker": first.speaker,
        "labels": dict(first.labels),
        "reference": first.reference,
        "systems": [
            {
                "hypothesis": utterance.hypothesis,
                "words": _counts(utterance.words),
                "characters": _counts(utterance.characters),
                "alignment": [_edit(edit) for edit in utterance.edits],
            }
            for utterance in row
        ],
    }


def _edit(edit: Edit) -> dict[str, str]:
    if edit.is_equal:
        return {"equal": edit.reference or ""}
    sides = {"reference": edit.reference, "hypothesis": edit.hypothesis}
    return {side: text for side, text in sides.items() if text is not None}
