"""Signs that a recording was cut off.

The decoders use what is there and keep silent about it; a user who gets half a transcript
must be told.
"""

import re
import warnings
from pathlib import Path
from typing import BinaryIO

# libsndfile's log of a WAV or AIFF header, where the audio chunk is longer than the file
_SHORT_CHUNK = re.compile(r"^\s*(?:data|SSND)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
# Programs that write to a pipe do not know the size and put a number near 2 or 4 GiB.
_UNKNOWN_SIZE_BYTES = 0x7FFF_0000
# An Ogg page has a header of 27 bytes, up to 255 segment sizes and segments of 255 bytes.
_MAX_OGG_PAGE_BYTES = 27 + 255 + 255 * 255
_OGG_FLAGS_OFFSET = 5
_OGG_END_OF_STREAM = 0x04


class TruncatedAudioWarning(UserWarning):
    """A recording is damaged or cut off, and only its readable part was used."""


def warn_truncated(name: str, decoded_s: float, reason: str) -> None:
    """Warn that only the first `decoded_s` seconds of a recording were used."""
    warnings.warn(
        f"{name}: the audio is cut off or damaged ({reason}); only its first "
        f"{decoded_s:.2f} s are used.",
        TruncatedAudioWarning,
        stacklevel=2,
    )


def find_short_chunk(header_log: str) -> str | None:
    """Say what a WAV or AIFF header promises beyond the end of the file, if anything.

    Args:
        header_log: `soundfile.SoundFile.extra_info`.
    """
    match = _SHORT_CHUNK.search(header_log)
    if match is None:
        return None
    promised, found = int(match[1]), int(match[2])
    # One byte is the padding that makes a chunk's size even.
    if promised >= _UNKNOWN_SIZE_BYTES or promised - found <= 1:
        return None
    return f"the header promises {promised} bytes of audio, the file holds {found}"


def find_missing_ogg_end(file: Path | BinaryIO) -> str | None:
    """Say that the last page of an Ogg file (Vorbis or Opus) is not marked as the last."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            tail = _read_tail(opened)
    else:
        tail = _read_tail(file)
    last_page = tail.rfind(b"OggS")
    flags = tail[last_page + _OGG_FLAGS_OFFSET : last_page + _OGG_FLAGS_OFFSET + 1]
    if last_page >= 0 and flags and flags[0] & _OGG_END_OF_STREAM:
        return None
    return "the last Ogg page is missing"


def _read_tail(file: BinaryIO) -> bytes:
    size = file.seek(0, 2)
    file.seek(max(0, size - _MAX_OGG_PAGE_BYTES))
    return file.read()
