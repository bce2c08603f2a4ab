"""What audio can come from, and how it becomes something that can be read more than once."""

import os
import stat
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import AudioError, InputError

# A pipe that holds more than this goes to a temporary file.
_SPOOL_BYTES = 64 << 20
_COPY_BYTES = 1 << 20


class Tensor(Protocol):
    """A tensor of torch, or of a library that offers the same."""

    def detach(self) -> Any:  # noqa: D102
        ...


AudioSource = str | os.PathLike[str] | bytes | BinaryIO | NDArray[Any] | Tensor | Mapping[str, Any]


def source_name(source: AudioSource) -> str:
    """Return what to call a source in messages and results."""
    if isinstance(source, Mapping):
        return str(source.get("path") or "<row>")
    if isinstance(source, str | os.PathLike):
        return "stdin" if source == "-" else os.fspath(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return "<bytes>"
    if hasattr(source, "read"):
        return str(getattr(source, "name", "<file>"))
    return "<array>"


def unpack_row(row: Mapping[str, Any]) -> tuple[AudioSource, float | None]:
    """Split a row of a Hugging Face dataset into a source and a rate.

    Raises:
        InputError: When the row holds no audio.
    """
    if row.get("array") is not None:
        return np.asarray(row["array"]), row.get("sampling_rate")
    for key in ("bytes", "path"):
        if row.get(key) is not None:
            return row[key], None
    raise InputError(
        "a row must hold `array` and `sampling_rate`, or `bytes`, or `path`, but holds "
        f"{sorted(row)}."
    )


def find_encoded(source: AudioSource, name: str, resources: ExitStack) -> Path | bytes | None:
    """Return the file or the bytes behind a source; None for arrays and tensors.

    Args:
        source: Any source but a row.
        name: What to call it in messages.
        resources: Closing it removes the temporary file of a long pipe.

    Raises:
        AudioError: When there is no such file, or it may not be read.
        InputError: When the source is of no kind that can hold audio.
    """
    if isinstance(source, str | os.PathLike):
        return _spool_stdin(resources) if source == "-" else _check(Path(source), name, resources)
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if hasattr(source, "read"):
        if not isinstance(source.read(0), bytes):
            raise InputError(f"{name}: open the file in binary mode, as in open(path, 'rb').")
        return _spool(source.read, name, resources)
    # After the files, which have a method `detach` too.
    if isinstance(source, np.ndarray) or hasattr(source, "detach"):
        return None
    raise InputError(
        "audio must be a path, bytes, a binary file object, a numpy array or a torch tensor, "
        f"but is a {type(source).__name__}."
    )


def _check(path: Path, name: str, resources: ExitStack) -> Path | bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISFIFO(mode):  # a shell's <(command)
            with path.open("rb") as pipe:
                return _spool(pipe.read, name, resources)
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a device"
            raise AudioError(f"{name}: is {kind}, not an audio file.")
        with path.open("rb"):
            pass  # tells a file that may not be read from one that is not audio
    except FileNotFoundError as error:
        raise AudioError(f"{name}: no such file.") from error
    except (OSError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        raise AudioError(f"{name}: cannot be opened: {error}.") from error
    return path


def _spool_stdin(resources: ExitStack) -> Path | bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise AudioError("stdin: is a terminal or closed; pipe audio into it, as in `< clip.wav`.")
    return _spool(sys.stdin.buffer.read, "stdin", resources)


def _spool(read: Callable[[int], bytes], name: str, resources: ExitStack) -> Path | bytes:
    """Keep what is read, in memory or, where that is much, in a temporary file."""
    content = bytearray()
    while piece := read(_COPY_BYTES):
        content += piece
        if len(content) >= _SPOOL_BYTES:
            break
    else:
        return bytes(content)
    try:
        folder = resources.enter_context(tempfile.TemporaryDirectory(prefix="wav2vec2-conformer-"))
        path = Path(folder) / "audio"
        with path.open("wb") as file:
            file.write(content)
            while piece := read(_COPY_BYTES):
                file.write(piece)
    except OSError as error:
        raise AudioError(
            f"{name}: is longer than {_SPOOL_BYTES >> 20} MiB and cannot be kept in a temporary "
            f"file: {error}. Save it as a file and pass its path, or set TMPDIR to a folder "
            "with room."
        ) from error
    return path
