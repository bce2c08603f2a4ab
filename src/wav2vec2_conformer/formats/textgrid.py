"""TextGrid, Praat's annotations, in the long text format.

Format: https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from wav2vec2_conformer.formats.intervals import separate, to_ms
from wav2vec2_conformer.formats.options import FormatOptions
from wav2vec2_conformer.formats.timed_text import TimedText, one_line, timed_segments

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.transcript import Character, Segment, Word


def format_textgrid(result: TimedText, options: FormatOptions) -> str:
    """Return tiers of intervals: segments, words, and with `characters` these too.

    Intervals of a tier touch, as Praat wants it: those without speech have an empty text.
    """
    tiers = {
        "segments": _label(timed_segments(result)),
        "words": _label(result.words),
    }
    if options.characters:
        tiers["characters"] = _label(
            character for word in result.words for character in word.characters
        )
    # An adapter's last frame may end after the audio. Praat reads no grid without length.
    ends_ms = [intervals[-1][1] for intervals in tiers.values() if intervals]
    end_ms = max([to_ms(result.duration_s), *ends_ms, 1])
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {_seconds(end_ms)}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, (name, intervals) in enumerate(tiers.items(), start=1):
        filled = list(_fill_gaps(intervals, end_ms))
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f'        name = "{name}"',
            "        xmin = 0",
            f"        xmax = {_seconds(end_ms)}",
            f"        intervals: size = {len(filled)}",
        ]
        for index, (start, end, text) in enumerate(filled, start=1):
            escaped = text.replace('"', '""')
            lines += [
                f"        intervals [{index}]:",
                f"            xmin = {_seconds(start)}",
                f"            xmax = {_seconds(end)}",
                f'            text = "{escaped}"',
            ]
    return "".join(f"{line}\n" for line in lines)


def _label(parts: "Iterable[Segment | Word | Character]") -> list[tuple[int, int, str]]:
    parts = list(parts)
    times = separate((part.start_s, part.end_s) for part in parts)
    return [
        (start, end, one_line(part.text)) for (start, end), part in zip(times, parts, strict=True)
    ]


def _fill_gaps(
    intervals: list[tuple[int, int, str]], end_ms: int
) -> Iterator[tuple[int, int, str]]:
    done_ms = 0
    for start, end, text in intervals:
        if start > done_ms:
            yield done_ms, start, ""
        yield start, end, text
        done_ms = end
    if end_ms > done_ms:
        yield done_ms, end_ms, ""


def _seconds(time_ms: int) -> str:
    """Return milliseconds as seconds, exactly and without needless zeros."""
    return f"{time_ms / 1000:.3f}".rstrip("0").rstrip(".")
