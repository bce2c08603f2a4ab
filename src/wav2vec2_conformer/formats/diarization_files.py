"""Diarizations as files: RTTM and JSON."""

import json
from typing import TYPE_CHECKING, Any, Final

from wav2vec2_conformer.data.rttm import format_rttm
from wav2vec2_conformer.data.speaker_turns import as_segments

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.diarization import Diarization

SCHEMA_VERSION: Final = 1


def format_diarization_rttm(result: "Diarization", recording: str) -> str:
    """Return a line for each turn; empty where nobody speaks.

    Args:
        result: What to write.
        recording: Name of the recording in the lines.
    """
    return format_rttm(recording, result.turns)


def format_diarization_json(result: "Diarization", *, indent: int | None = None) -> str:
    """Return a JSON object; times in seconds. It ends with a line end."""
    record = diarization_as_json(result)
    return json.dumps(record, ensure_ascii=False, indent=indent) + "\n"


def diarization_as_json(result: "Diarization") -> dict[str, Any]:
    """Return a diarization as values of JSON.

    `speakers` has each speaker's seconds of speech; `segments` are as a manifest has them.
    """
    spoken_s = dict.fromkeys(result.speakers, 0.0)
    for turn in result.turns:
        spoken_s[turn.speaker] += turn.end_s - turn.start_s
    return {
        "schema_version": SCHEMA_VERSION,
        "file": result.source,
        "duration": round(result.duration_s, 3),
        "speakers": [
            {"speaker": speaker, "seconds": round(seconds, 3)}
            for speaker, seconds in spoken_s.items()
        ],
        "segments": as_segments(result.turns),
    }
