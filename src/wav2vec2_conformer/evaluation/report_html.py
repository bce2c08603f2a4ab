"""An evaluation as one HTML file that needs nothing else to open.

The page holds the report as data and its script builds everything from it with text nodes, so
that no transcript can become markup. Rows are built as they are scrolled to.
"""

import base64
import json
import mimetypes
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

_BYTES_PER_MB = 1_000_000
# Not in every system's table.
_MEDIA_TYPES = {".flac": "audio/flac", ".opus": "audio/ogg", ".oga": "audio/ogg"}


def render_html(report: Mapping[str, Any], audio_sources: Sequence[str | None] = ()) -> str:
    """Return the page of a report.

    Args:
        report: From `build_report`.
        audio_sources: Where the audio of each utterance is, as a URL; None for no player, and
            empty for no players at all.
    """
    files = resources.files(__package__) / "report"
    page, style, *scripts = (
        (files / name).read_text(encoding="utf-8")
        for name in ("page.html", "style.css", "summary.js", "utterances.js")
    )
    data = json.dumps(
        {**report, "audio_sources": list(audio_sources)},
        ensure_ascii=False,
        separators=(",", ":"),
    )
    # "<" is what ends a script element or opens a comment in it; JSON may write it so.
    data = data.replace("<", "\\u003c")
    # The data goes last: it may hold anything, the names of the other places too.
    for place, content in (("STYLE", style), ("SCRIPT", "\n".join(scripts)), ("DATA", data)):
        page = page.replace(f"{{{{{place}}}}}", content, 1)
    return page


def link_audio(paths: Sequence[Path], folder: Path) -> list[str | None]:
    """Return URLs of audio files relative to the folder of the page."""
    return [_link(path, folder) for path in paths]


def embed_audio(
    paths: Sequence[Path], folder: Path, order: Sequence[int], max_mb: float
) -> tuple[list[str | None], int]:
    """Return data URLs of audio files, so that the page can be sent alone.

    Args:
        paths: The audio files.
        folder: Of the page, for links to files that are too many.
        order: Positions in `paths`, the most wanted first.
        max_mb: Audio files are embedded until they are this large together, in MB before
            encoding, which adds a third; the others are linked.

    Returns:
        URLs in the order of `paths`, and the number of files that are embedded.
    """
    sources = link_audio(paths, folder)
    left_bytes = max_mb * _BYTES_PER_MB
    num_embedded = 0
    for position in order:
        path = paths[position]
        if not path.is_file() or path.stat().st_size > left_bytes:
            continue
        content = path.read_bytes()
        left_bytes -= len(content)
        sources[position] = (
            f"data:{_media_type(path)};base64,{base64.b64encode(content).decode('ascii')}"
        )
        num_embedded += 1
    return sources, num_embedded


def _link(path: Path, folder: Path) -> str:
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # another drive of Windows
        return path.resolve().as_uri()
    return quote(relative.replace(os.sep, "/"))


def _media_type(path: Path) -> str:
    suffix = path.suffix.lower()
    return _MEDIA_TYPES.get(suffix) or mimetypes.guess_type(path.name)[0] or "audio/wav"
