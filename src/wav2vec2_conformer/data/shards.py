"""Tar shards (WebDataset) and Parquet files: audio inside the shard, read as a stream.

`datasets` reads Parquet with `decode=False`, and tar shards are read as they are: decoding is
left to `audio`, so that torchcodec is not needed.

Format of the shards: https://github.com/webdataset/webdataset ("Files with the same name up to
the first dot are one sample").
"""

import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from wav2vec2_conformer.data.folders import AUDIO_SUFFIXES
from wav2vec2_conformer.data.tables import find_columns
from wav2vec2_conformer.errors import ManifestError, MissingExtraError

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_MAX_TEXT_BYTES = 1 << 20


@dataclass(frozen=True)
class EncodedUtterance:
    """An utterance of a shard.

    Attributes:
        name: The shard and what it calls the utterance.
        audio: Encoded audio, as a file would hold it; `load_audio` takes it.
        suffix: Ending of such a file, such as ".flac"; empty if the shard does not say.
        fields: What else the shard says: `text`, `speaker`, ...
    """

    name: str
    audio: bytes
    suffix: str
    fields: Mapping[str, Any]


def iter_encoded(paths: Iterable[Path]) -> Iterator[EncodedUtterance]:
    """Yield the utterances of shards one by one, in their order, with one in memory.

    Args:
        paths: `.tar`, `.tar.gz`, `.tgz` or `.parquet` files.

    Raises:
        ManifestError: A shard cannot be read, or holds no audio.
        MissingExtraError: `datasets` is needed for Parquet and not installed.
    """
    for path in paths:
        yield from _iter_tar(path) if path.name.endswith(TAR_SUFFIXES) else _iter_parquet(path)


def _iter_tar(path: Path) -> Iterator[EncodedUtterance]:
    parts: dict[str, bytes] = {}
    current = ""
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if not member.isfile() or PurePosixPath(member.name).name.startswith("."):
                    continue
                folder, _, file = member.name.rpartition("/")
                stem, _, suffix = file.partition(".")
                key = f"{folder}/{stem}" if folder else stem
                if parts and key != current:
                    yield _join_parts(f"{path}:{current}", parts)
                    parts = {}
                current = key
                content = archive.extractfile(member)
                parts[f".{suffix.lower()}"] = b"" if content is None else content.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ManifestError(f"{path}: cannot be read as a tar shard: {error}") from error
    if not parts:
        raise ManifestError(f"{path}: the shard holds no files")
    yield _join_parts(f"{path}:{current}", parts)


def _join_parts(name: str, parts: Mapping[str, bytes]) -> EncodedUtterance:
    """Make one utterance of the files with one name."""
    audio = [suffix for suffix in AUDIO_SUFFIXES if suffix in parts]
    if not audio:
        raise ManifestError(
            f"{name}: holds no audio ({', '.join(AUDIO_SUFFIXES)}), got {', '.join(parts)}"
        )
    fields: dict[str, Any] = {}
    for suffix, content in parts.items():
        if suffix in AUDIO_SUFFIXES or len(content) > _MAX_TEXT_BYTES:
            continue
        try:
            if suffix == ".json":
                entry = json.loads(content)
                fields |= entry if isinstance(entry, dict) else {}
            elif suffix in {".txt", ".cls", ".text"}:
                meaning = "label" if suffix == ".cls" else "text"
                fields[meaning] = content.decode("utf-8").strip()
        except ValueError as error:
            raise ManifestError(f"{name}{suffix}: cannot be read: {error}") from error
    return EncodedUtterance(name, parts[audio[0]], audio[0], fields)


def _iter_parquet(path: Path) -> Iterator[EncodedUtterance]:
    for number, row in enumerate(_iter_rows(path)):
        name = f"{path}:{number}"
        column = find_columns(list(row), str(path))["audio"]
        fields = {key: value for key, value in row.items() if key != column}
        audio = row[column]
        encoded = audio.get("bytes") if isinstance(audio, dict) else audio
        if not isinstance(encoded, bytes):
            raise ManifestError(
                f"{name}: the column {column} must hold the bytes of an audio file "
                f"(with or without a path), got {type(encoded).__name__}"
            )
        file_name = str(audio.get("path") or "") if isinstance(audio, dict) else ""
        yield EncodedUtterance(name, encoded, PurePosixPath(file_name).suffix.lower(), fields)


def _iter_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file: audio as it is stored, classes by their names."""
    try:
        import datasets  # noqa: PLC0415 - of an extra
    except ImportError as error:
        raise MissingExtraError("reading Parquet files", "datasets", "train") from error
    try:
        rows = datasets.load_dataset(
            "parquet", data_files=[str(path.absolute())], split="train", streaming=True
        ).decode(enable=False)
        classes = {
            column: [*feature.names, None]  # -1 is a row without a class
            for column, feature in (rows.features or {}).items()
            if isinstance(feature, datasets.ClassLabel)
        }
        for row in rows:
            numbers = {column: row[column] for column in classes if row[column] is not None}
            yield row | {column: classes[column][number] for column, number in numbers.items()}
    # pyarrow's errors are ValueErrors.
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise ManifestError(f"{path}: cannot be read as Parquet: {error}") from error
