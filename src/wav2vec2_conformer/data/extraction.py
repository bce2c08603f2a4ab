"""Audio out of tar shards and Parquet files, written once as files that are read at random."""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from filelock import FileLock

from wav2vec2_conformer.audio.duration import read_duration
from wav2vec2_conformer.data.manifest import (
    Utterance,
    check_audio_files,
    format_manifest,
    read_manifest,
)
from wav2vec2_conformer.data.shards import EncodedUtterance, iter_encoded
from wav2vec2_conformer.data.tables import find_columns
from wav2vec2_conformer.errors import ManifestError

logger = logging.getLogger(__name__)

# What tasks look for beside text, speaker and label.
_KEPT_FIELDS = ("labels", "segments")


def extract_utterances(shards: Sequence[Path], folder: Path) -> list[Utterance]:
    """Write the audio of shards, still encoded, as files that training can read at random.

    A manifest that is written last says that all of it is there: as long as the shards do not
    change, later calls read the manifest alone. Of several processes that call at once, those
    of a training run on several devices, one writes and the others wait.

    Args:
        shards: `.tar`, `.tar.gz`, `.tgz` or `.parquet` files.
        folder: Files are named `00000000.flac` and so on in it; names inside the shards are
            never used as paths. Made if missing.

    Returns:
        The utterances, with duration 0 where neither the shard nor the audio's header tells it.

    Raises:
        ManifestError: A shard cannot be read or holds no audio, the folder cannot be written,
            or files that were in it are gone.
        MissingExtraError: `datasets` is needed for Parquet and not installed.
    """
    try:
        # Reading the manifest back gives every call the same durations, to the last digit.
        manifest = folder / f"utterances-{_fingerprint(shards)}.jsonl"
        if not manifest.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"):
                if not manifest.is_file():
                    _extract(shards, manifest)
    except OSError as error:
        raise ManifestError(
            f"{folder}: the audio of {shards[0]} cannot be written into it: {error}. Give a "
            "folder with room: cache_dir of a run, else its output_dir"
        ) from error
    utterances = read_manifest(manifest, check_files=False, needs_text=False, needs_duration=False)
    advice = "Delete the folder, and they are written again out of the shards"
    check_audio_files(utterances, folder, advice)
    return utterances


def _extract(shards: Iterable[Path], manifest: Path) -> None:
    folder = manifest.parent
    logger.info("%s: writing the audio of shards into it", folder)
    for old in folder.glob("utterances-*.jsonl"):  # of other shards, whose files are replaced
        old.unlink()
    utterances = []
    for number, encoded in enumerate(iter_encoded(shards)):
        path = folder / f"{number:08d}{encoded.suffix}"
        if not path.is_file() or path.read_bytes() != encoded.audio:
            _write(path, encoded.audio)
        utterances.append(_as_utterance(path, encoded))
    _write(manifest, format_manifest(utterances, folder).encode())
    logger.info("%s: %d utterances written", folder, len(utterances))


def _fingerprint(shards: Iterable[Path]) -> str:
    """Return what changes with the shards: where they are, their sizes and times of change."""
    digest = hashlib.sha256()
    for path in shards:
        stat = path.stat()
        digest.update(f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def _as_utterance(path: Path, encoded: EncodedUtterance) -> Utterance:
    columns = find_columns(["audio", *encoded.fields], encoded.name)
    values = {meaning: encoded.fields.get(column) for meaning, column in columns.items()}
    duration_s, speaker, label = (values.get(key) for key in ("duration", "speaker", "label"))
    if not (isinstance(duration_s, int | float) and duration_s > 0):
        duration_s = read_duration(path) or 0.0
    return Utterance(
        audio_path=path,
        duration_s=float(duration_s),
        text=str(values.get("text") or ""),
        speaker=None if speaker is None else str(speaker),
        label=None if label is None else str(label),
        extra={key: encoded.fields[key] for key in _KEPT_FIELDS if key in encoded.fields}
        | {"id": encoded.name},
    )
