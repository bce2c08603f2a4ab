"""Flags that say how results are written, for all commands that write them."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Option

from wav2vec2_conformer.formats import FORMATS, FormatOptions

_PANEL = "Output"

FormatName = Literal["txt", "srt", "vtt", "tsv", "json", "jsonl", "ctm", "textgrid", "all"]

OutputFormat = Annotated[FormatName, Option("-f", "--output-format", rich_help_panel=_PANEL)]
FormatsFolder = Annotated[
    Path | None,
    Option(
        "-o",
        "--output-dir",
        help="Write files into this folder, one for each input and format.",
        rich_help_panel=_PANEL,
    ),
]
MaxLineWidth = Annotated[
    int | None,
    Option(min=1, help="Columns of a line of srt and vtt.", rich_help_panel=_PANEL),
]
MaxLineCount = Annotated[
    int | None,
    Option(
        min=1,
        help="Lines of a cue of srt and vtt; needs --max-line-width.",
        rich_help_panel=_PANEL,
    ),
]
Words = Annotated[
    bool,
    Option(
        "--words",
        help="srt and tsv: an entry a word. vtt: the time of each word in the text.",
        rich_help_panel=_PANEL,
    ),
]
Characters = Annotated[
    bool,
    Option(
        "--characters",
        help="json, jsonl and textgrid: the times of characters too.",
        rich_help_panel=_PANEL,
    ),
]
Language = Annotated[
    str | None,
    Option(
        help="Code such as en, for the language field of json and jsonl; recognition does "
        "not depend on it.",
        rich_help_panel=_PANEL,
    ),
]


def format_names(name: FormatName) -> tuple[str, ...]:
    """Return the formats that a value of -f stands for."""
    return tuple(FORMATS) if name == "all" else (name,)


def format_options(
    *,
    max_line_width: int | None,
    max_line_count: int | None,
    words: bool,
    characters: bool,
    language: str | None,
) -> FormatOptions:
    """Return the options that flags stand for.

    Raises:
        typer.BadParameter: When lines are counted but not broken.
    """
    if max_line_count is not None and max_line_width is None:
        raise typer.BadParameter("--max-line-count needs --max-line-width.")
    return FormatOptions(
        max_line_width=max_line_width,
        max_line_count=max_line_count,
        words=words,
        characters=characters,
        language=language,
    )
