"""JSON shaped as openai-whisper's and whisperX's, so that their readers read it.

`schema_version` grows when a key changes its meaning or goes away, not when one is added.
"""

import json
from typing import TYPE_CHECKING, Any, Final

from wav2vec2_conformer.formats.options import FormatOptions
from wav2vec2_conformer.formats.timed_text import TimedText, timed_segments

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.alignment import Mismatch
    from wav2vec2_conformer.inference.transcript import Word

SCHEMA_VERSION: Final = 1


def format_json(result: TimedText, options: FormatOptions) -> str:
    """Return one object, indented."""
    return json.dumps(as_json(result, options), ensure_ascii=False, indent=2) + "\n"


def format_jsonl(result: TimedText, options: FormatOptions) -> str:
    """Return one object on one line."""
    return json.dumps(as_json(result, options), ensure_ascii=False) + "\n"


def as_json(result: TimedText, options: FormatOptions) -> dict[str, Any]:
    """Return a result as values of JSON; times are in seconds, to the millisecond."""
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "file": result.source,
        "duration": round(result.duration_s, 3),
        "language": options.language,
        "text": result.text,
        "segments": [
            {
                "id": number,
                "start": round(segment.start_s, 3),
                "end": round(segment.end_s, 3),
                "text": segment.text,
                "words": [_word(word, options) for word in segment.words],
            }
            for number, segment in enumerate(timed_segments(result))
        ],
    }
    alternatives = getattr(result, "alternatives", ())
    if alternatives:
        record["alternatives"] = [
            {
                "text": alternative.text,
                "log_score": round(alternative.score, 4),
                "words": [_word(word, options) for word in alternative.words],
            }
            for alternative in alternatives
        ]
    mismatches = getattr(result, "mismatches", None)
    if mismatches is not None:
        record["mismatches"] = [mismatch_as_json(mismatch) for mismatch in mismatches]
    return record


def mismatch_as_json(mismatch: "Mismatch") -> dict[str, Any]:
    """Return a region where text and audio do not match as values of JSON."""
    return {
        "start": round(mismatch.start_s, 3),
        "end": round(mismatch.end_s, 3),
        "kind": mismatch.kind,
        "text": mismatch.text,
        "score": round(mismatch.score, 4),
    }


def _word(word: "Word", options: FormatOptions) -> dict[str, Any]:
    record: dict[str, Any] = {
        "word": word.text,
        "start": round(word.start_s, 3),
        "end": round(word.end_s, 3),
        "score": round(word.confidence, 4),
    }
    if not word.is_aligned:
        record["aligned"] = False
    if options.characters:
        record["characters"] = [
            {
                "character": character.text,
                "start": round(character.start_s, 3),
                "end": round(character.end_s, 3),
            }
            for character in word.characters
        ]
    return record
