"""Utterances, and manifests: which audio file says what.

A manifest is a JSON Lines file, one utterance a line, with the keys that NVIDIA NeMo made
common: `audio_filepath` (relative to the manifest's folder, or absolute), `duration` in
seconds, `text`, and `speaker`, `label` and `offset`, which may be left out. Other keys are
kept. `data.reading` reads the other formats.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wav2vec2_conformer.errors import ManifestError

NUM_MISSING_SHOWN = 5
_OWN_KEYS = frozenset({"audio_filepath", "duration", "text", "speaker", "offset", "label"})


@dataclass(frozen=True)
class Utterance:
    """One utterance of a data set.

    Attributes:
        audio_path: The audio file.
        duration_s: Length of the utterance in seconds, as the data set says.
        text: What is said, as written in the data set; empty where it gives none.
        speaker: Name of the speaker, None where the data set gives none.
        offset_s: Where in the file the utterance begins; None if it is the whole file.
        label: Class of the utterance, None where the data set gives none.
        extra: What else the data set says of it.
    """

    audio_path: Path
    duration_s: float
    text: str
    speaker: str | None = None
    offset_s: float | None = None
    label: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)


def read_manifest(
    path: str | Path,
    *,
    check_files: bool = True,
    needs_text: bool = True,
    needs_duration: bool = True,
    allows_parts: bool = False,
) -> list[Utterance]:
    """Read a manifest, in the order of its lines. Empty lines are passed over.

    Args:
        path: JSON Lines file, UTF-8.
        check_files: Whether a missing audio file is an error.
        needs_text: Whether a line without `text` is an error, or an utterance without text.
        needs_duration: Whether a line without `duration` is an error, or an utterance of 0 s.
        allows_parts: Whether the caller reads parts of files (`offset`); if not, they are an
            error rather than taken for the whole file.

    Returns:
        At least one utterance.

    Raises:
        ManifestError: The file cannot be read, is empty, a line is not usable (the message
            names file and line), or audio files are missing.
    """
    path = Path(path)
    needed = ["audio_filepath"] + ["duration"] * needs_duration + ["text"] * needs_text
    # Not splitlines, which also breaks at characters that JSON leaves inside strings (U+2028).
    lines = read_text(path).split("\n")
    utterances = [
        _parse_line(line, path, number, needed)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not utterances:
        raise ManifestError(
            f"{path}: the manifest is empty; expected one JSON object a line with "
            f"{', '.join(needed)}"
        )
    if not allows_parts and any(utterance.offset_s for utterance in utterances):
        raise ManifestError(
            f"{path}: has utterances that are parts of files (offset), which only training and "
            "check-data read. Cut the audio into a file for each utterance"
        )
    if check_files:
        check_audio_files(utterances, path, "Paths are relative to the manifest's folder")
    return utterances


def format_manifest(utterances: Iterable[Utterance], folder: Path) -> str:
    """Return the text of a manifest that `read_manifest` reads back.

    Args:
        utterances: What to write.
        folder: Where the manifest will be. Audio inside it is named relative to it, other
            audio by its absolute path.
    """
    root = folder.resolve()
    lines = []
    for utterance in utterances:
        audio_path = utterance.audio_path.absolute()
        resolved = utterance.audio_path.resolve()
        name = resolved.relative_to(root) if resolved.is_relative_to(root) else audio_path
        entry: dict[str, Any] = {"audio_filepath": str(name)}
        if utterance.offset_s is not None:
            entry["offset"] = round(utterance.offset_s, 6)
        if utterance.duration_s > 0:  # 0 stands for one that nobody knows
            entry["duration"] = round(utterance.duration_s, 6)
        entry["text"] = utterance.text
        for key in ("speaker", "label"):
            if (value := getattr(utterance, key)) is not None:
                entry[key] = value
        lines.append(json.dumps(entry | dict(utterance.extra), ensure_ascii=False) + "\n")
    return "".join(lines)


def read_text(path: Path) -> str:
    """Read a file of a data set as UTF-8, with or without a byte order mark.

    Raises:
        ManifestError: There is no such file, or it is no such text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ManifestError(f"{path}: there is no such manifest file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read as UTF-8 text: {error}") from error


def parse_seconds(value: object, place: str, key: str, *, allows_zero: bool = False) -> float:
    """Return a finite number of seconds, positive unless zero is allowed.

    Raises:
        ManifestError: It is none. A string is none either.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and (value > 0 or (allows_zero and value == 0)):  # type: ignore[arg-type, operator]
        return float(value)  # type: ignore[arg-type]
    sign = "number of seconds, 0 or more" if allows_zero else "positive number of seconds"
    raise ManifestError(f"{place}: {key} must be a {sign}, got {value!r}")


def check_audio_files(utterances: Iterable[Utterance], path: Path, advice: str) -> None:
    """Check that every audio file is there.

    Args:
        utterances: Of one data set.
        path: The data set, for the message.
        advice: What the user can do, without a full stop.

    Raises:
        ManifestError: Some are not; the first five are named.
    """
    paths = dict.fromkeys(u.audio_path for u in utterances)
    missing = [p for p in paths if not p.is_file()]
    if missing:
        shown = ", ".join(str(p) for p in missing[:NUM_MISSING_SHOWN])
        more = ", ..." if len(missing) > NUM_MISSING_SHOWN else ""
        raise ManifestError(
            f"{path}: {len(missing)} audio files are missing: {shown}{more}. {advice}"
        )


def _parse_line(line: str, path: Path, number: int, needed: Iterable[str]) -> Utterance:
    place = f"{path}, line {number}"
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise ManifestError(f"{place}: not JSON: {error}") from error
    if not isinstance(entry, dict):
        raise ManifestError(
            f"{place}: expected a JSON object with {', '.join(needed)}, got {type(entry).__name__}"
        )
    for key in needed:
        if key not in entry:
            raise ManifestError(f"{place}: the key {key} is missing; got {sorted(entry)}")
    text = "" if entry.get("text") is None and "text" not in needed else entry["text"]
    for key, value in (("audio_filepath", entry["audio_filepath"]), ("text", text)):
        if not isinstance(value, str):
            raise ManifestError(f"{place}: {key} must be a string, got {value!r}")
    duration_s = 0.0
    if "duration" in needed or entry.get("duration") is not None:
        duration_s = parse_seconds(entry["duration"], place, "duration")
    offset_s = entry.get("offset")
    if offset_s is not None:
        offset_s = parse_seconds(offset_s, place, "offset", allows_zero=True)
    speaker, label = entry.get("speaker"), entry.get("label")
    return Utterance(
        audio_path=path.parent / entry["audio_filepath"],
        duration_s=duration_s,
        text=text,
        speaker=None if speaker is None else str(speaker),
        offset_s=offset_s,
        label=None if label is None else str(label),
        extra={key: value for key, value in entry.items() if key not in _OWN_KEYS},
    )
