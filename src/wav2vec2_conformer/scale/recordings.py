"""Which recordings a batch job transcribes: a manifest, a table, a folder, or shards.

Places are paths of this machine or URLs of any store that fsspec reads.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from wav2vec2_conformer.data.folders import AUDIO_SUFFIXES
from wav2vec2_conformer.data.reading import read_utterances
from wav2vec2_conformer.data.shards import TAR_SUFFIXES
from wav2vec2_conformer.data.tables import COLUMNS, find_columns
from wav2vec2_conformer.errors import ManifestError
from wav2vec2_conformer.scale.parquet_audio import has_audio_bytes, iter_rows
from wav2vec2_conformer.scale.storage import is_local, join, open_place

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

SHARD_SUFFIXES = (*TAR_SUFFIXES, ".parquet")
_LINES_SUFFIXES = (".jsonl", ".json", ".ndjson", ".jsonl.gz")
_TABLE_SUFFIXES = (".csv", ".tsv")
_NUM_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording in a file of its own, or a part of such a file.

    Attributes:
        id: What it is called in the results; no two have the same.
        location: Path or URL of the file.
        offset_s: Where in the file it begins; None if it is the whole file.
        duration_s: Its length in seconds, as the manifest says; None where it does not.
    """

    id: str
    location: str
    offset_s: float | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """A file that holds many recordings.

    Attributes:
        id: What it is called in the results, before the names of its recordings.
        location: Path or URL of a tar file, or of a Parquet file that holds audio.
    """

    id: str
    location: str


def list_recordings(source: str) -> list[Recording | Shard]:
    """Return what a job is to transcribe. Audio files are not opened.

    Args:
        source: JSON Lines (NeMo's manifest, and all that `data.reading` knows), a table (CSV,
            TSV, Parquet with a column that names audio files), a shard (tar, Parquet with a
            column that holds audio), a folder of shards or of audio files, or a pattern
            (`shards/*.tar`).

    Raises:
        ManifestError: It is of no known kind, names no recording, or one id twice.
        InputError: Nothing that is installed reads such a URL.
    """
    fs, path = open_place(source)
    try:
        found = list(_iter_found(fs, path, source))
    except OSError as error:
        raise ManifestError(f"{source}: cannot be read: {error}") from error
    if not found:
        raise ManifestError(f"{source}: names no recording.")
    _check_ids(source, found)
    return found


def _iter_found(fs: "AbstractFileSystem", path: str, source: str) -> Iterator[Recording | Shard]:
    if any(mark in path for mark in "*?["):
        yield from _files(fs, sorted(map(str, fs.glob(path))), "")
    elif fs.isdir(path):
        if is_local(fs) and fs.exists(f"{path}/wav.scp"):
            yield from _read_other(path)
        else:
            yield from _files(fs, sorted(map(str, fs.find(path))), path.rstrip("/") + "/")
    elif not fs.exists(path):
        raise ManifestError(f"{source}: there is no such file or folder")
    else:
        yield from _read_file(fs, path)


def _read_file(fs: "AbstractFileSystem", path: str) -> Iterator[Recording | Shard]:
    if path.endswith(TAR_SUFFIXES):
        yield _shard(fs, path, "")
    elif path.endswith(".parquet"):
        if has_audio_bytes(fs, path):
            yield _shard(fs, path, "")
        else:
            yield from _as_recordings(iter_rows(fs, path), fs, path)
    elif path.endswith(_LINES_SUFFIXES):
        yield from _read_lines(fs, path)
    elif path.endswith(_TABLE_SUFFIXES):
        yield from _read_table(fs, path)
    elif is_local(fs):
        yield from _read_other(path)
    else:
        raise ManifestError(
            f"{path}: is of no known kind. Known are {', '.join(_LINES_SUFFIXES)}, "
            f"{', '.join(_TABLE_SUFFIXES)}, {', '.join(SHARD_SUFFIXES)}, and folders."
        )


def _files(
    fs: "AbstractFileSystem", paths: Iterable[str], below: str
) -> Iterator[Recording | Shard]:
    """Yield the shards among files; where there is none, the audio files."""
    seen = [
        path
        for path in paths
        if not any(part.startswith((".", "_")) for part in path.removeprefix(below).split("/"))
    ]
    shards = [path for path in seen if path.endswith(SHARD_SUFFIXES)]
    if shards:
        yield from (_shard(fs, path, below) for path in shards)
        return
    for path in seen:
        if PurePosixPath(path).suffix.lower() in AUDIO_SUFFIXES:
            yield Recording(path.removeprefix(below), _location(fs, path))


def _shard(fs: "AbstractFileSystem", path: str, below: str) -> Shard:
    name = path.removeprefix(below) if below else PurePosixPath(path).name
    return Shard(name, _location(fs, path))


def _location(fs: "AbstractFileSystem", path: str) -> str:
    return path if is_local(fs) else str(fs.unstrip_protocol(path))


def _read_lines(fs: "AbstractFileSystem", path: str) -> Iterator[Recording]:
    with fs.open(path, "rt", encoding="utf-8-sig", compression="infer") as file:
        first = next((line for line in file if line.strip()), "{}")
    audio_columns = COLUMNS["audio"]
    try:
        is_plain = any(key in audio_columns for key in json.loads(first))
    except (ValueError, TypeError):
        is_plain = True  # and the error names its line below
    if not is_plain and is_local(fs):
        yield from _read_other(path)
        return

    def iter_entries() -> Iterator[dict[str, Any]]:
        with fs.open(path, "rt", encoding="utf-8-sig", compression="infer") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    entry = json.loads(line)
                except ValueError as error:
                    raise ManifestError(f"{path}, line {number}: not JSON: {error}") from error
                if not isinstance(entry, dict):
                    raise ManifestError(f"{path}, line {number}: expected a JSON object")
                yield entry

    yield from _as_recordings(iter_entries(), fs, path)


def _read_table(fs: "AbstractFileSystem", path: str) -> Iterator[Recording]:
    text = fs.cat_file(path).decode("utf-8-sig")
    first = text.split("\n", 1)[0].rstrip("\r")
    delimiter = max("\t,;|", key=first.count)
    header = first.split(delimiter)
    has_own_folders = "sentence" in header or not any(c in header for c in COLUMNS["audio"])
    if has_own_folders and is_local(fs):  # Common Voice, fairseq, LJSpeech
        yield from _read_other(path)
        return
    yield from _as_recordings(csv.DictReader(io.StringIO(text), delimiter=delimiter), fs, path)


def _as_recordings(
    rows: Iterable[dict[str, Any]], fs: "AbstractFileSystem", path: str
) -> Iterator[Recording]:
    folder = _location(fs, path).rpartition("/")[0]
    for number, row in enumerate(rows, start=1):
        place = f"{path}, row {number}"
        columns = find_columns(list(row), place)
        name = row[columns["audio"]]
        if not isinstance(name, str) or not name:
            raise ManifestError(
                f"{place}: {columns['audio']} must name an audio file, got {name!r}"
            )
        offset_s = _seconds(row, columns, "offset", place)
        duration_s = _seconds(row, columns, "duration", place)
        if offset_s is not None and duration_s is None:
            raise ManifestError(f"{place}: a part of a file needs its duration too")
        default = name if offset_s is None else f"{name}#{offset_s:g}"
        yield Recording(str(row.get("id") or default), join(folder, name), offset_s, duration_s)


def _seconds(
    row: dict[str, Any], columns: dict[str, str], meaning: str, place: str
) -> float | None:
    value = row.get(columns.get(meaning, ""))
    if value in (None, ""):
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ManifestError(f"{place}: {columns[meaning]} must be seconds, got {value!r}")
    return seconds


def _read_other(path: str) -> Iterator[Recording]:
    for utterance in read_utterances(path, check_files=False):
        offset_s = utterance.offset_s
        name = str(utterance.audio_path)
        default = name if offset_s is None else f"{name}#{offset_s:g}"
        yield Recording(
            str(utterance.extra.get("id") or default), name, offset_s, utterance.duration_s or None
        )


def _check_ids(source: str, found: Iterable[Recording | Shard]) -> None:
    counts = Counter(item.id for item in found)
    doubled = [name for name, count in counts.items() if count > 1]
    if doubled:
        shown = ", ".join(doubled[:_NUM_SHOWN]) + (", ..." if len(doubled) > _NUM_SHOWN else "")
        raise ManifestError(
            f"{source}: {len(doubled)} ids occur more than once: {shown}. Results are told apart "
            "by them: give each line an `id` of its own, or leave doubled lines out."
        )
