"""Cuts of lhotse (`cuts.jsonl.gz`), read as the plain JSON that they are.

Format: https://lhotse.readthedocs.io/en/latest/cuts.html
"""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wav2vec2_conformer.data.manifest import Utterance, parse_seconds, read_text
from wav2vec2_conformer.errors import ManifestError


def read_lhotse_cuts(path: Path) -> list[Utterance]:
    """Read cuts whose audio is in files, each cut one utterance.

    Several supervisions of a cut are joined in the order of their starts; they must agree on
    the speaker, or the utterance has none. Audio paths are absolute or relative to the
    current folder, as lhotse has them, or else to the manifest's folder.

    Args:
        path: `.jsonl` or `.jsonl.gz`.

    Raises:
        ManifestError: A line is not usable, or asks for what only lhotse can do: mixed cuts,
            audio from commands or URLs, one channel of several, transforms such as speed.
    """
    utterances = []
    for number, line in enumerate(read_json_lines(path), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            cut = json.loads(line)
        except json.JSONDecodeError as error:
            raise ManifestError(f"{place}: not JSON: {error}") from error
        utterances.append(_read_cut(cut, path.parent, place))
    return utterances


def read_json_lines(path: Path) -> list[str]:
    """Return the lines of a text file, which may be compressed by gzip.

    Raises:
        ManifestError: It cannot be read.
    """
    if path.suffix != ".gz":
        return read_text(path).split("\n")
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return file.read().split("\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read as compressed UTF-8: {error}") from error


def _read_cut(cut: Any, folder: Path, place: str) -> Utterance:
    if not isinstance(cut, dict) or not isinstance(cut.get("recording"), dict):
        kind = cut.get("type", "an object") if isinstance(cut, dict) else type(cut).__name__
        raise ManifestError(
            f"{place}: expected a cut with a recording, got {kind}. Mixed and padded cuts, and "
            "cuts of features alone, are not read: write audio with lhotse's save_audios first"
        )
    recording = cut["recording"]
    source = _find_source(recording, place)
    supervisions = sorted(cut.get("supervisions") or [], key=lambda s: s.get("start", 0.0))
    speakers = {s["speaker"] for s in supervisions if s.get("speaker") is not None}
    start_s = parse_seconds(cut.get("start", 0.0), place, "start", allows_zero=True)
    duration_s = parse_seconds(cut.get("duration"), place, "duration")
    is_whole = start_s == 0 and abs(duration_s - recording.get("duration", 0.0)) < 1e-3  # noqa: PLR2004 - a millisecond
    return Utterance(
        audio_path=source if source.is_file() else folder / source,
        duration_s=duration_s,
        text=" ".join(s["text"] for s in supervisions if s.get("text")),
        speaker=str(speakers.pop()) if len(speakers) == 1 else None,
        offset_s=None if is_whole else start_s,
        extra={"id": cut["id"]} if "id" in cut else {},
    )


def _find_source(recording: Mapping[str, Any], place: str) -> Path:
    sources = recording.get("sources") or []
    if len(sources) != 1 or sources[0].get("type") != "file":
        kinds = [source.get("type") for source in sources]
        raise ManifestError(
            f"{place}: the audio must come from one file, got sources {kinds}. Commands and "
            "URLs of a data set are not opened"
        )
    channels = sources[0].get("channels") or [0]
    if len(channels) > 1:
        raise ManifestError(
            f"{place}: a cut is one of {len(channels)} channels, but channels are averaged "
            "here. Write each channel as a file of its own"
        )
    if recording.get("transforms"):
        raise ManifestError(
            f"{place}: the recording has transforms ({recording['transforms']}), which only "
            "lhotse applies. Write the audio with save_audios, or drop them"
        )
    return Path(sources[0]["source"])
