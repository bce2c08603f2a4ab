"""A table of start, end and text, as openai-whisper writes it."""

from wav2vec2_conformer.formats.intervals import to_ms
from wav2vec2_conformer.formats.options import FormatOptions
from wav2vec2_conformer.formats.timed_text import TimedText, one_line, timed_segments


def format_tsv(result: TimedText, options: FormatOptions) -> str:
    """Return rows of start, end and text with a header: a row a segment, or a word.

    Times are whole milliseconds. Nothing is quoted: white space inside a text, tabs and line
    ends too, is one space.
    """
    rows = result.words if options.words else timed_segments(result)
    lines = [f"{to_ms(row.start_s)}\t{to_ms(row.end_s)}\t{one_line(row.text)}" for row in rows]
    return "".join(f"{line}\n" for line in ["start\tend\ttext", *lines])
