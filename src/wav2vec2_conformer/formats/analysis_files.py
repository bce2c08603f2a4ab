"""Analyses as files: who said what, as JSON and as subtitles."""

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from wav2vec2_conformer.formats.classification_files import classification_as_json
from wav2vec2_conformer.formats.json_transcript import as_json
from wav2vec2_conformer.formats.options import FormatOptions
from wav2vec2_conformer.formats.subtitles import format_srt
from wav2vec2_conformer.formats.timed_text import one_line

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.analysis import Analysis
    from wav2vec2_conformer.inference.speaker_words import SpokenSegment
    from wav2vec2_conformer.inference.transcript import Segment, Word

# Stands for a speaker whom nobody could tell.
UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class _Spoken:
    """An analysis as the other formats take it."""

    source: str
    text: str
    words: "tuple[Word, ...]"
    duration_s: float
    segments: "tuple[Segment, ...]"


def analysis_as_json(
    result: "Analysis", options: FormatOptions | None = None, *, windows: bool = False
) -> dict[str, Any]:
    """Return an analysis as values of JSON.

    The shape is that of a transcript; segments and words have a `speaker`, as in whisperX's
    files, which is null where nobody could tell. `turns` has all of the diarization, also where
    no word was recognized; `classification` is as `classification_files` has it.

    Args:
        result: What to write.
        options: Whether characters are written, and the language.
        windows: Whether the labels of each window are written.
    """
    record = as_json(_strip(result), options or FormatOptions())
    for segment, spoken in zip(record["segments"], result.spoken, strict=True):
        segment["speaker"] = spoken.speaker
        for word in segment["words"]:
            word["speaker"] = spoken.speaker
    if result.diarization is not None:
        record["speakers"] = list(result.diarization.speakers)
        record["turns"] = [
            {"start": round(turn.start_s, 3), "end": round(turn.end_s, 3), "speaker": turn.speaker}
            for turn in result.diarization.turns
        ]
    if result.classification is not None:
        labels = classification_as_json(result.classification, windows=windows)
        record["classification"] = {
            key: labels[key] for key in ("problem_type", "scores", "windows") if key in labels
        }
    return record


def format_analysis_json(result: "Analysis", options: FormatOptions | None = None) -> str:
    """Return one object, indented."""
    return json.dumps(analysis_as_json(result, options), ensure_ascii=False, indent=2) + "\n"


def format_analysis_srt(result: "Analysis", options: FormatOptions | None = None) -> str:
    """Return SubRip subtitles; each segment begins with its speaker's name, where there is one."""
    spoken = [_prefix(part) for part in result.spoken if result.diarization is not None]
    stripped = _strip(result)
    if spoken:
        words = tuple(word for segment in spoken for word in segment.words)
        stripped = replace(stripped, words=words, segments=tuple(spoken))
    return format_srt(stripped, options or FormatOptions())


def format_analysis_text(result: "Analysis") -> str:
    """Return an analysis for people: what it is, who speaks how long, and who said what."""
    lines = [f"{result.source}: {result.duration_s:.1f} s"]
    if result.classification is not None:
        scores = list(result.classification.scores.items())
        lines.append(
            "labels: " + ", ".join(f"{one_line(name)} {score:.2f}" for name, score in scores)
        )
    if result.diarization is not None:
        spoken_s = dict.fromkeys(result.diarization.speakers, 0.0)
        for turn in result.diarization.turns:
            spoken_s[turn.speaker] += turn.end_s - turn.start_s
        shares = [f"{one_line(name)} {seconds:.1f} s" for name, seconds in spoken_s.items()]
        lines.append("speakers: " + (", ".join(shares) or "nobody"))
    for part in result.spoken:
        segment = part.segment
        name = "" if result.diarization is None else f"  {one_line(part.speaker or UNKNOWN)}:"
        text = one_line(segment.text)
        lines.append(f"{segment.start_s:8.2f} {segment.end_s:8.2f}{name}  {text}")
    return "".join(f"{line}\n" for line in lines)


def _strip(result: "Analysis") -> _Spoken:
    return _Spoken(
        source=result.source,
        text=result.transcript.text,
        words=result.transcript.words,
        duration_s=result.duration_s,
        segments=tuple(part.segment for part in result.spoken),
    )


def _prefix(part: "SpokenSegment") -> "Segment":
    """Return a segment whose first word has the speaker's name before it."""
    first, *others = part.segment.words
    name = part.speaker or UNKNOWN
    named = replace(first, text=f"{name}: {first.text}")
    return replace(part.segment, text=f"{name}: {part.segment.text}", words=(named, *others))
