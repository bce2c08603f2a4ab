"""Subtitles: SubRip and WebVTT.

Formats: https://en.wikipedia.org/wiki/SubRip (there is no standard);
https://www.w3.org/TR/webvtt1/, sections 4.1 and 4.2.2. Text is in logical order whatever its
direction: players lay it out.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from wav2vec2_conformer.formats.cues import Cue, segment_cues, word_cues
from wav2vec2_conformer.formats.intervals import to_ms
from wav2vec2_conformer.formats.options import FormatOptions
from wav2vec2_conformer.formats.timed_text import TimedText, one_line

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.transcript import Word

_VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def format_srt(result: TimedText, options: FormatOptions) -> str:
    """Return SubRip subtitles: a cue a segment, or with `words` a cue a word."""
    if options.words:
        cues = word_cues(result)
    else:
        cues = segment_cues(
            result,
            max_line_width=options.max_line_width,
            max_line_count=options.max_line_count,
        )
    blocks = (
        f"{number}\n{_srt_time(cue.start_ms)} --> {_srt_time(cue.end_ms)}\n"
        f"{_cue_text(cue, _srt_word)}\n"
        for number, cue in enumerate(cues, start=1)
    )
    return "\n".join(blocks)


def format_vtt(result: TimedText, options: FormatOptions) -> str:
    """Return WebVTT subtitles: a cue a segment, with `words` the time of each word inside."""
    cues = segment_cues(
        result, max_line_width=options.max_line_width, max_line_count=options.max_line_count
    )
    blocks = (
        f"\n{_vtt_time(cue.start_ms)} --> {_vtt_time(cue.end_ms)}\n"
        f"{_timed_vtt_text(cue) if options.words else _cue_text(cue, _vtt_word)}\n"
        for cue in cues
    )
    return "WEBVTT\n" + "".join(blocks)


def _cue_text(cue: Cue, spell: Callable[["Word"], str]) -> str:
    return "\n".join(" ".join(map(spell, line)) for line in cue.lines)


def _timed_vtt_text(cue: Cue) -> str:
    """Return the text with each word's start before it, except where the cue starts."""
    last_ms = cue.start_ms

    def spell(word: "Word") -> str:
        nonlocal last_ms
        start_ms = to_ms(word.start_s)
        # The standard wants times that rise, inside the cue's.
        if not last_ms < start_ms < cue.end_ms:
            return _vtt_word(word)
        last_ms = start_ms
        return f"<{_vtt_time(start_ms)}>{_vtt_word(word)}"

    return _cue_text(cue, spell)


def _srt_word(word: "Word") -> str:
    # The arrow would make a line of times of it. The format has no way to escape.
    return one_line(word.text).replace("-->", "->")


def _vtt_word(word: "Word") -> str:
    return one_line(word.text).translate(_VTT_ESCAPES)


def _srt_time(time_ms: int) -> str:
    return _vtt_time(time_ms).replace(".", ",")


def _vtt_time(time_ms: int) -> str:
    seconds, milliseconds = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}"
