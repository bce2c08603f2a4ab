"""Transcripts as text, and where they go."""

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.transcript import Transcript


def format_json(transcript: "Transcript") -> str:
    """Return a transcript as one line of JSON; times are in seconds."""
    return json.dumps(
        {
            "file": transcript.source,
            "duration": round(transcript.duration_s, 3),
            "text": transcript.text,
            "words": [
                {"word": word.text, "start": word.start_s, "end": word.end_s}
                for word in transcript.words
            ],
        },
        ensure_ascii=False,
    )


def plan_output_names(sources: Sequence[str], suffix: str) -> list[str]:
    """Return a file name for each input, all different.

    Args:
        sources: Inputs; `-` is named `stdin`.
        suffix: Ending of the names, such as `.txt`.

    Returns:
        The input's name with the new ending; where several inputs share it, the later ones
        get `-2`, `-3` and so on before the ending. Names that differ in case only count as
        the same, because some file systems think so.
    """
    taken: set[str] = set()
    names: list[str] = []
    for source in sources:
        stem = "stdin" if source == "-" else Path(source).stem
        name, number = stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.casefold())
        names.append(name + suffix)
    return names


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        # mkstemp makes private files; results follow the user's umask like any other file.
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
