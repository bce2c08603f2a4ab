"""A process that decodes audio files and nothing else, so that a hostile one harms nothing else.

It reads a line of JSON for each file on standard input (`path`, `target`, `rate_hz`,
`max_audio_s`), writes the mono samples as float32 into `target`, and answers with a line of JSON:
`num_samples`, or `error` and its `kind`. A line comes before all of them, when it is ready. It ends
when its input ends. Its memory is limited where
the system can do that; its time is watched by whoever started it.
"""

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio.decoding import iter_decoded
from wav2vec2_conformer.errors import AudioError, MissingExtraError

# What messages call the upload: its real name is the client's, its path the server's.
_NAME = "file"
# How the files begin that are decoded: (offset, bytes). A list of what is allowed, because
# FFmpeg also reads playlists, which make it open other files and addresses.
_MARKS = (
    *((0, mark) for mark in (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS")),
    *((0, mark) for mark in (b"ID3", b".snd", b"caff", b"#!AMR", b"\x0bw", b"FLV", b"wvpk")),
    *((0, mark) for mark in (b"\x1a\x45\xdf\xa3", b"\x30\x26\xb2\x75", b"\x00\x00\x01\xba")),
    *((4, mark) for mark in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),
)
_HEAD_BYTES = 256
_MEMORY_FILE = Path("/proc/self/statm")
_TS_MARK, _TS_PACKET_BYTES = 0x47, 188


def main() -> int:
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # What a library prints must not be taken for an answer.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    limit_memory(int(sys.argv[1]))
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
    return 0


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Decode one file and say how that went."""
    max_samples = int(request["max_audio_s"] * request["rate_hz"])
    try:
        num_samples = _decode(
            Path(request["path"]), Path(request["target"]), request["rate_hz"], max_samples
        )
    except (AudioError, MissingExtraError) as error:
        kind = "missing" if isinstance(error, MissingExtraError) else "audio"
        return {"error": str(error), "kind": kind}
    except MemoryError:
        return {"error": f"{_NAME}: needs too much memory to be decoded.", "kind": "audio"}
    if num_samples > max_samples:
        return {"error": f"{_NAME}: is too long.", "kind": "too long"}
    return {"num_samples": num_samples}


def limit_memory(num_megabytes: int) -> None:
    """Limit this process to so much more memory than it has now; on Linux alone."""
    if not _MEMORY_FILE.exists():
        return
    import resource  # noqa: PLC0415  not on Windows

    with contextlib.suppress(ImportError):  # an optional dependency
        importlib.import_module("av")  # what it takes by itself is taken before the limit
    pages = int(_MEMORY_FILE.read_text(encoding="ascii").split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + (num_megabytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def has_known_start(head: bytes) -> bool:
    """Return whether a file that begins so is of a kind that is decoded."""
    if any(head[at : at + len(mark)] == mark for at, mark in _MARKS):
        return True
    # 11 bits of ones begin a frame of MPEG audio (mp3, aac).
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:  # noqa: PLR2004
        return True
    return head[:1] == bytes([_TS_MARK]) == head[_TS_PACKET_BYTES : _TS_PACKET_BYTES + 1]


def _decode(path: Path, target: Path, rate_hz: float, max_samples: int) -> int:
    """Write the samples, at most one block too many, and return how many there are."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise AudioError(f"{_NAME}: is empty (0 bytes).")
    if not has_known_start(head):
        raise AudioError(
            f"{_NAME}: is not audio of a kind that is read here. Allowed are wav, flac, ogg, opus, "
            "mp3, m4a, aac, webm, mp4 and others; convert the file to wav."
        )
    num_samples = 0
    with target.open("wb") as output:
        for block in _iter_blocks(path, rate_hz):
            num_samples += len(block)
            if num_samples > max_samples:
                break
            _write(block, output)
    return num_samples


def _iter_blocks(path: Path, rate_hz: float) -> Iterator[NDArray[np.float32]]:
    # A recording that is cut off is used as far as it goes.
    return iter_decoded(path, _NAME, rate_hz, on_damage=lambda _seconds, _reason: None)


def _write(block: NDArray[np.float32], output: BinaryIO) -> None:
    output.write(np.ascontiguousarray(block, dtype="<f4").data)


if __name__ == "__main__":
    sys.exit(main())
