"""Shards as other programs write them: tar (WebDataset) and Parquet (`datasets`)."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet


def write_tar(path: Path, *members: tuple[str, bytes]) -> Path:
    """Write files, name and content, in their order."""
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_parquet(
    path: Path, columns: dict[str, Any], features: dict[str, Any] | None = None
) -> Path:
    """Write columns, and the `features` with which `datasets` says what they are."""
    table = pa.table(columns)
    if features is not None:
        info = {"info": {"features": features}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    parquet.write_table(table, path)
    return path
