"""Transcripts as OpenAI's API answers with them.

https://platform.openai.com/docs/api-reference/audio/createTranscription. Fields that belong to
Whisper's way of decoding hold what comes nearest: `avg_logprob` is the mean logarithm of the
words' confidences, `no_speech_prob`, `temperature`, `seek` and `tokens` are empty.
"""

import math
import zlib
from collections.abc import Sequence
from typing import Any

from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.inference.speaker_words import assign_speakers
from wav2vec2_conformer.inference.transcript import Segment, Transcript, Word

# "Undetermined" of ISO 639: a CTC model does not say which language it hears.
UNKNOWN_LANGUAGE = "und"
_NO_SPEAKER = "unknown"
_MIN_CONFIDENCE = 1e-10


def usage(transcript: Transcript) -> dict[str, Any]:
    """Return what a request is counted as."""
    return {"type": "duration", "seconds": round(transcript.duration_s, 3)}


def json_body(transcript: Transcript) -> dict[str, Any]:
    """Return the format `json`."""
    return {"text": transcript.text, "usage": usage(transcript)}


def verbose_body(
    transcript: Transcript, *, language: str | None, has_words: bool, has_segments: bool
) -> dict[str, Any]:
    """Return the format `verbose_json`.

    Args:
        transcript: What was said.
        language: As the client named it.
        has_words: Whether words with their times are wanted.
        has_segments: Whether segments are wanted.
    """
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": language or UNKNOWN_LANGUAGE,
        "duration": round(transcript.duration_s, 3),
        "text": transcript.text,
        "usage": usage(transcript),
    }
    if has_segments:
        body["segments"] = [_segment(n, segment) for n, segment in enumerate(transcript.segments)]
    if has_words:
        body["words"] = [word_body(word) for word in transcript.words]
    return body


def diarized_body(transcript: Transcript, turns: Sequence[SpeakerTurn]) -> dict[str, Any]:
    """Return the format `diarized_json`."""
    return {
        "task": "transcribe",
        "duration": round(transcript.duration_s, 3),
        "text": transcript.text,
        "segments": [
            {
                "type": "transcript.text.segment",
                "id": str(number),
                "start": spoken.segment.start_s,
                "end": spoken.segment.end_s,
                "text": spoken.segment.text,
                "speaker": spoken.speaker or _NO_SPEAKER,
            }
            for number, spoken in enumerate(assign_speakers(transcript.words, turns))
        ],
        "usage": usage(transcript),
    }


def word_body(word: Word) -> dict[str, Any]:
    """Return a word as OpenAI has it, and how sure the model is of it."""
    return {
        "word": word.text,
        "start": word.start_s,
        "end": word.end_s,
        "confidence": round(word.confidence, 4),
    }


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    logs = [math.log(max(word.confidence, _MIN_CONFIDENCE)) for word in segment.words]
    encoded = segment.text.encode()
    return {
        "id": number,
        "start": segment.start_s,
        "end": segment.end_s,
        "text": segment.text,
        "avg_logprob": round(sum(logs) / max(len(logs), 1), 4),
        "compression_ratio": round(len(encoded) / len(zlib.compress(encoded)), 4),
        "no_speech_prob": 0.0,
        "temperature": 0.0,
        "seek": 0,
        "tokens": [],
    }
