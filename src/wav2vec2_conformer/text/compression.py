"""Text that may be compressed with gzip."""

import gzip
import io
from typing import cast

_MAGIC = b"\x1f\x8b"


def unpack(file: io.BufferedReader) -> io.BufferedReader:
    """Return the bytes of a file, unpacked if it begins as gzip does, whatever its name says.

    The result is the file itself where nothing is to unpack; close both.
    """
    if file.peek(len(_MAGIC))[: len(_MAGIC)] != _MAGIC:
        return file
    # GzipFile finds lines in Python; the buffer around it does so in C.
    return io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=file)), 1 << 20)
