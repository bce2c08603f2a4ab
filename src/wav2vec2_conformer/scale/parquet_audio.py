"""Parquet files of audio, or of the names of audio files, read in small batches."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from wav2vec2_conformer.data.tables import find_columns
from wav2vec2_conformer.errors import ManifestError, MissingExtraError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# Rows hold whole recordings.
_ROWS_AT_ONCE = 16


def has_audio_bytes(fs: "AbstractFileSystem", path: str) -> bool:
    """Whether a file holds audio, and not only where audio is.

    Raises:
        ManifestError: It is no Parquet file, or no column is about audio.
        MissingExtraError: pyarrow is not installed.
    """
    pa = _import_pyarrow()
    with fs.open(path, "rb") as file:
        try:
            schema = pa.parquet.read_schema(file)
        except pa.ArrowInvalid as error:
            raise ManifestError(f"{path}: cannot be read as Parquet: {error}") from error
    kind = schema.field(find_columns(schema.names, path)["audio"]).type
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def iter_rows(fs: "AbstractFileSystem", path: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, a few in memory.

    Raises:
        ManifestError: It cannot be read.
        MissingExtraError: pyarrow is not installed.
    """
    pa = _import_pyarrow()
    with fs.open(path, "rb") as file:
        try:
            for batch in pa.parquet.ParquetFile(file).iter_batches(_ROWS_AT_ONCE):
                yield from batch.to_pylist()
        except pa.ArrowException as error:
            raise ManifestError(f"{path}: cannot be read as Parquet: {error}") from error


def iter_audio(fs: "AbstractFileSystem", path: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and encoded audio of each row: its `id`, or its number.

    A row without audio has no bytes, and fails as an empty file does.

    Raises:
        ManifestError: It cannot be read.
        MissingExtraError: pyarrow is not installed.
    """
    for number, row in enumerate(iter_rows(fs, path)):
        column = find_columns(list(row), path)["audio"]
        audio = row[column]
        encoded = audio.get("bytes") if isinstance(audio, dict) else audio
        name = number if row.get("id") is None else row["id"]
        yield str(name), encoded if isinstance(encoded, bytes) else b""


def _import_pyarrow() -> Any:
    try:
        import pyarrow as pa  # noqa: PLC0415 - of an extra
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("Parquet", "pyarrow", "ray") from error
    return pa
