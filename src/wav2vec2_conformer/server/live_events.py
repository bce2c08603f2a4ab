"""What a live socket tells, in the shape of OpenAI's Realtime API for transcription.

https://platform.openai.com/docs/guides/realtime-transcription. A segment is an item; its final
words are deltas. `transcript.partial`, which that API does not have, holds the words that may
still change.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from wav2vec2_conformer.inference.stream_events import (
    FinalSegment,
    FinalWords,
    Partial,
    StreamEvent,
)
from wav2vec2_conformer.inference.transcript import Word
from wav2vec2_conformer.server.transcript_bodies import word_body

_TRANSCRIPTION = "conversation.item.input_audio_transcription"


class LiveEvents:
    """Turns the events of sessions into those of a socket."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._item = 1
        self._has_words = False

    @property
    def item_id(self) -> str:
        """Name of the segment that is open."""
        return f"item_{self._item}"

    def convert(self, events: Sequence[StreamEvent]) -> Iterator[dict[str, Any]]:
        """Yield what to send for new events of a session."""
        words: list[Word] = []  # of which no delta was sent
        for event in events:
            if isinstance(event, FinalWords):
                words += event.words
            elif isinstance(event, FinalSegment):
                own = [word for word in words if word.start_s <= event.segment.end_s]
                words = words[len(own) :]
                yield from self._deltas(own)
                yield self._complete(event)
            elif isinstance(event, Partial):
                yield from self._deltas(words)
                words = []
                yield {
                    **self._new("transcript.partial"),
                    "text": event.text,
                    "final_text": event.final_text,
                    "changing_text": event.changing_text,
                    "start": event.start_s,
                    "end": event.end_s,
                    "heard": round(event.heard_s, 3),
                }
        yield from self._deltas(words)

    def tell(self, kind: str, **values: Any) -> dict[str, Any]:
        """Return another event, with a number of its own."""
        return {"type": kind, "event_id": f"event_{next(self._numbers)}", **values}

    def _deltas(self, words: Sequence[Word]) -> Iterator[dict[str, Any]]:
        if not words:
            return
        text = " ".join(word.text for word in words)
        yield {
            **self._new(f"{_TRANSCRIPTION}.delta"),
            "content_index": 0,
            "delta": f" {text}" if self._has_words else text,
        }
        self._has_words = True

    def _complete(self, event: FinalSegment) -> dict[str, Any]:
        segment = event.segment
        body = {
            **self._new(f"{_TRANSCRIPTION}.completed"),
            "content_index": 0,
            "transcript": segment.text,
            "start": segment.start_s,
            "end": segment.end_s,
            "words": [word_body(word) for word in segment.words],
            "usage": {"type": "duration", "seconds": round(segment.end_s - segment.start_s, 3)},
        }
        self._item += 1
        self._has_words = False
        return body

    def _new(self, kind: str) -> dict[str, Any]:
        return self.tell(kind, item_id=self.item_id)
