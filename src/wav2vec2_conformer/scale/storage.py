"""Files in folders of this machine or in object stores, by path or URL, through fsspec.

A file is written as a whole or not at all, wherever it is.
"""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from wav2vec2_conformer.errors import InputError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# What these write is there when it is complete; renaming would copy it there.
_OBJECT_STORES = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "memory"}
)


def open_place(url: str) -> "tuple[AbstractFileSystem, str]":
    """Return the file system of a path or URL, and the path in it.

    Raises:
        InputError: When nothing that is installed reads such URLs.
    """
    import fsspec  # noqa: PLC0415 - slow to import, not needed for --help

    try:
        found: tuple[AbstractFileSystem, str] = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise InputError(
            f"{url}: cannot be opened: {error} Stores have packages of their own: s3fs for s3://, "
            "gcsfs for gs://, adlfs for az://."
        ) from error
    return found


def is_url(place: str) -> bool:
    """Whether a text is a URL and no path."""
    return "://" in place or "::" in place


def absolute(place: str) -> str:
    """Return a path or URL that means the same in other working folders."""
    return place if is_url(place) else str(Path(place).absolute())


def join(folder: str, name: str) -> str:
    """Return the place of a file that is named relative to a folder, or by itself."""
    if is_url(name) or name.startswith("/"):
        return name
    return f"{folder.rstrip('/')}/{name}"


def is_local(fs: "AbstractFileSystem") -> bool:
    """Whether paths of a file system are paths of this machine."""
    return bool(_protocols(fs) & {"file", "local"})


def write_whole(fs: "AbstractFileSystem", path: str, content: bytes) -> None:
    """Write a file; nobody sees a part of it. Its folder is made if missing.

    Raises:
        OSError: When it cannot be written.
    """
    if _protocols(fs) & _OBJECT_STORES:
        fs.pipe_file(path, content)
        return
    folder, _, name = path.rpartition("/")
    fs.makedirs(folder, exist_ok=True)
    # A name of its own: two workers may write the same file.
    temporary = f"{folder}/.{name}.{uuid.uuid4().hex}.tmp"
    fs.pipe_file(temporary, content)
    fs.mv(temporary, path)


@contextmanager
def write_through(fs: "AbstractFileSystem", path: str) -> Iterator[str]:
    """Give the path of a local file to write; when the block ends well, it is the file.

    Raises:
        OSError: When it cannot be written.
    """
    folder, _, name = path.rpartition("/")
    if is_local(fs):
        temporary = Path(folder) / f".{name}.{uuid.uuid4().hex}.tmp"
        try:
            yield str(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return
    with tempfile.TemporaryDirectory(prefix="w2vc-ray-") as here:
        yield f"{here}/{name}"
        fs.put_file(f"{here}/{name}", path)


def list_names(fs: "AbstractFileSystem", folder: str, suffix: str) -> list[str]:
    """Return the names without ending of the files in a folder; none where there is no folder.

    Names that begin with a dot or an underscore are left out, as readers of data sets do.
    """
    fs.invalidate_cache()
    if not fs.isdir(folder):
        return []
    names = [str(path).rstrip("/").rpartition("/")[2] for path in fs.ls(folder, detail=False)]
    return sorted(
        name.removesuffix(suffix)
        for name in names
        if name.endswith(suffix) and not name.startswith((".", "_"))
    )


def _protocols(fs: "AbstractFileSystem") -> set[str]:
    return {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
