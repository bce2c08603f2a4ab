"""Segments cut into cues: what a subtitle shows at once, line by line."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len

from wav2vec2_conformer.formats.intervals import separate
from wav2vec2_conformer.formats.timed_text import TimedText, one_line, timed_segments

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.transcript import Word


@dataclass(frozen=True, slots=True)
class Cue:
    """Words that are shown together.

    Attributes:
        start_ms: When the first word starts.
        end_ms: When the last word ends, or the next cue starts, whichever is earlier.
        lines: The words of each line.
    """

    start_ms: int
    end_ms: int
    lines: Sequence[Sequence["Word"]]


def segment_cues(
    result: TimedText, *, max_line_width: int | None, max_line_count: int | None
) -> list[Cue]:
    """Return the segments as cues; a segment with too many lines becomes several.

    Args:
        result: What was said.
        max_line_width: Columns of a line; None breaks no line.
        max_line_count: Lines of a cue; None puts all lines of a segment into one.
    """
    blocks: list[Sequence[Sequence[Word]]] = []
    for segment in timed_segments(result):
        lines = list(_break_lines(_visible(segment.words), max_line_width))
        size = max_line_count or max(len(lines), 1)
        blocks.extend(lines[first : first + size] for first in range(0, len(lines), size))
    return _time(blocks)


def word_cues(result: TimedText) -> list[Cue]:
    """Return each word as a cue of its own."""
    return _time([[[word]] for word in _visible(result.words)])


def _visible(words: Iterable["Word"]) -> Iterator["Word"]:
    return (word for word in words if one_line(word.text))


def _break_lines(words: Iterable["Word"], max_line_width: int | None) -> Iterator[list["Word"]]:
    """Fill one line after the other with whole words."""
    line: list[Word] = []
    width = 0
    for word in words:
        word_width = cell_len(one_line(word.text))
        if line and max_line_width is not None and width + 1 + word_width > max_line_width:
            yield line
            line = []
        width = width + 1 + word_width if line else word_width
        line.append(word)
    if line:
        yield line


def _time(blocks: Sequence[Sequence[Sequence["Word"]]]) -> list[Cue]:
    times = separate((lines[0][0].start_s, lines[-1][-1].end_s) for lines in blocks)
    return [Cue(start, end, lines) for (start, end), lines in zip(times, blocks, strict=True)]
