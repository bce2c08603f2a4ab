"""Manifests: which audio file says what.

A manifest is a JSON Lines file, one utterance a line, with the keys that NVIDIA NeMo made
common: `audio_filepath` (relative to the manifest's folder, or absolute), `duration` in
seconds, `text`, and `speaker`, which may be left out.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wav2vec2_conformer.errors import ManifestError

NUM_MISSING_SHOWN = 5


@dataclass(frozen=True)
class Utterance:
    """One line of a manifest.

    Attributes:
        audio_path: The audio file.
        duration_s: Length of the audio in seconds, as the manifest says.
        text: What is said, as written in the manifest.
        speaker: Name of the speaker, None where the manifest gives none.
    """

    audio_path: Path
    duration_s: float
    text: str
    speaker: str | None = None


def read_manifest(path: str | Path) -> list[Utterance]:
    """Read a manifest, in the order of its lines. Empty lines are passed over.

    Args:
        path: JSON Lines file, UTF-8.

    Returns:
        At least one utterance. Every audio file exists.

    Raises:
        ManifestError: The file cannot be read, is empty, a line is not usable (the message
            names file and line), or audio files are missing.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise ManifestError(f"{path}: there is no such manifest file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    utterances = [
        _parse_line(line, path, number)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not utterances:
        raise ManifestError(
            f"{path}: the manifest is empty; expected one JSON object a line with "
            "audio_filepath, duration and text"
        )
    _check_files(utterances, path)
    return utterances


def _parse_line(line: str, path: Path, number: int) -> Utterance:
    place = f"{path}, line {number}"
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise ManifestError(f"{place}: not JSON: {error}") from error
    if not isinstance(entry, dict):
        raise ManifestError(
            f"{place}: expected a JSON object with audio_filepath, duration and text, "
            f"got {type(entry).__name__}"
        )
    for key in ("audio_filepath", "duration", "text"):
        if key not in entry:
            raise ManifestError(f"{place}: the key {key} is missing; got {sorted(entry)}")
    duration_s = entry["duration"]
    if (
        not isinstance(duration_s, int | float)
        or isinstance(duration_s, bool)
        or not math.isfinite(duration_s)
        or duration_s <= 0
    ):
        raise ManifestError(
            f"{place}: duration must be a positive number of seconds, got {duration_s!r}"
        )
    for key in ("audio_filepath", "text"):
        if not isinstance(entry[key], str):
            raise ManifestError(f"{place}: {key} must be a string, got {entry[key]!r}")
    speaker = entry.get("speaker")
    return Utterance(
        audio_path=path.parent / entry["audio_filepath"],
        duration_s=float(duration_s),
        text=entry["text"],
        speaker=None if speaker is None else str(speaker),
    )


def _check_files(utterances: Iterable[Utterance], path: Path) -> None:
    missing = [u.audio_path for u in utterances if not u.audio_path.is_file()]
    if missing:
        shown = ", ".join(str(p) for p in missing[:NUM_MISSING_SHOWN])
        more = ", ..." if len(missing) > NUM_MISSING_SHOWN else ""
        raise ManifestError(
            f"{path}: {len(missing)} audio files are missing: {shown}{more}. "
            "Paths are relative to the manifest's folder"
        )
