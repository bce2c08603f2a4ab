"""What `stream` prints while it listens."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.text import Text

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.stream_events import Partial, StreamEvent
    from wav2vec2_conformer.inference.transcript import Word

Show = Callable[["StreamEvent"], None]


def print_lines(event: "StreamEvent") -> None:
    """Print each segment as a line when it is closed."""
    from wav2vec2_conformer.inference.stream_events import FinalSegment

    if isinstance(event, FinalSegment):
        typer.echo(event.segment.text)


def print_jsonl(event: "StreamEvent") -> None:
    """Print each event as a line of JSON; times are in seconds."""
    typer.echo(json.dumps(_as_json(event), ensure_ascii=False))


@contextmanager
def live_lines(console: Console) -> Iterator[Show]:
    """Print segments as lines, and below them the open one on a line that is rewritten."""
    from wav2vec2_conformer.inference.stream_events import FinalSegment, Partial

    with Live(console=console, auto_refresh=False, transient=True) as live:

        def show(event: "StreamEvent") -> None:
            if isinstance(event, FinalSegment):
                live.update("", refresh=True)
                live.console.print(event.segment.text, markup=False, highlight=False)
            elif isinstance(event, Partial):
                live.update(_one_line(event, console.width - 1), refresh=True)

        yield show


def _one_line(partial: "Partial", width: int) -> Text:
    """Return the end of a partial that fits a line, what may change dimmed."""
    text = Text(partial.text, no_wrap=True)
    text.stylize("dim", len(partial.text) - len(partial.changing_text))
    if text.cell_len <= width:
        return text
    start = 0
    while cell_len(text.plain[start:]) > width - 1:
        start += 1
    return Text("…") + text[start:]


def _as_json(event: "StreamEvent") -> dict[str, Any]:
    from wav2vec2_conformer.inference.stream_events import FinalSegment, FinalWords

    if isinstance(event, FinalSegment):
        segment = event.segment
        return {
            "type": "segment",
            "start": segment.start_s,
            "end": segment.end_s,
            "text": segment.text,
            "heard": round(event.heard_s, 3),
        }
    if isinstance(event, FinalWords):
        return {
            "type": "words",
            "start": event.words[0].start_s,
            "end": event.words[-1].end_s,
            "text": " ".join(word.text for word in event.words),
            "words": [_word(word) for word in event.words],
            "heard": round(event.heard_s, 3),
        }
    return {
        "type": "partial",
        "start": event.start_s,
        "end": event.end_s,
        "text": event.text,
        "final_text": event.final_text,
        "heard": round(event.heard_s, 3),
    }


def _word(word: "Word") -> dict[str, Any]:
    return {
        "word": word.text,
        "start": word.start_s,
        "end": word.end_s,
        "score": round(word.confidence, 4),
    }
