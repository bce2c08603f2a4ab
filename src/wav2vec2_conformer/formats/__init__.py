"""Results as text: plain, subtitles, tables, JSON, and what phoneticians and scorers read.

Light to import, so that the command line knows the formats without torch.
"""

from collections.abc import Callable
from typing import Final

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.formats.ctm import format_ctm
from wav2vec2_conformer.formats.json_transcript import format_json, format_jsonl
from wav2vec2_conformer.formats.options import FormatOptions
from wav2vec2_conformer.formats.plain_text import format_txt
from wav2vec2_conformer.formats.subtitles import format_srt, format_vtt
from wav2vec2_conformer.formats.tables import format_tsv
from wav2vec2_conformer.formats.textgrid import format_textgrid
from wav2vec2_conformer.formats.timed_text import TimedText

__all__ = ["FILE_SUFFIXES", "FORMATS", "FormatOptions", "TimedText", "format_transcript"]

FORMATS: Final[dict[str, Callable[[TimedText, FormatOptions], str]]] = {
    "txt": format_txt,
    "srt": format_srt,
    "vtt": format_vtt,
    "tsv": format_tsv,
    "json": format_json,
    "jsonl": format_jsonl,
    "ctm": format_ctm,
    "textgrid": format_textgrid,
}

FILE_SUFFIXES: Final[dict[str, str]] = {
    # Praat's own spelling
    name: ".TextGrid" if name == "textgrid" else f".{name}"
    for name in FORMATS
}


def format_transcript(
    result: TimedText, format_name: str, options: FormatOptions | None = None
) -> str:
    r"""Return a result as the content of a file.

    Args:
        result: A transcript, an alignment, or anything else with timed words.
        format_name: One of `txt`, `srt`, `vtt`, `tsv`, `json`, `jsonl`, `ctm`, `textgrid`.
        options: None for the defaults.

    Returns:
        The whole file: it ends with a line end, or is empty. Encode it as UTF-8.

    Raises:
        InputError: When there is no such format.
    """
    if format_name not in FORMATS:
        raise InputError(f"format must be one of {', '.join(FORMATS)}, but is {format_name!r}.")
    return FORMATS[format_name](result, options or FormatOptions())
