"""Audio tracks of media files (m4a, aac, webm, mp4 and the rest of FFmpeg's list) by PyAV.

PyAV is the extra `media`. Its wheels hold FFmpeg, so no program has to be installed.
"""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio.waveform import MonoResampler
from wav2vec2_conformer.errors import AudioError, MissingExtraError

if TYPE_CHECKING:
    from av.container import InputContainer

MEDIA_SUFFIXES = frozenset(
    {".3gp", ".aac", ".ac3", ".amr", ".avi", ".m4a", ".m4b", ".mka", ".mkv", ".mov", ".mp4"}
    | {".mpeg", ".mpg", ".ts", ".weba", ".webm", ".wma", ".wmv"}
)
_MEDIA_MARKS = ((4, b"ftyp"), (0, b"\x1a\x45\xdf\xa3"), (0, b"\xff\xf1"), (0, b"\xff\xf9"))
# A track that ends a little before its container is not damaged.
_DURATION_TOLERANCE_S = 0.5


def iter_media(
    file: Path | BinaryIO,
    name: str,
    target_rate_hz: float,
    *,
    on_damage: Callable[[float, str], None],
) -> Iterator[NDArray[np.float32]]:
    """Decode the first audio track of a media file.

    Args:
        file: An existing file, or a seekable binary file.
        name: What to call it in messages.
        target_rate_hz: Rate of the result.
        on_damage: Called after the last block of a track that is cut off or damaged, with the
            seconds that could be decoded and the reason.

    Yields:
        Mono samples of shape (L,); L may be 0.

    Raises:
        AudioError: When it is empty, is not audio, or holds no usable sample.
        MissingExtraError: When it looks like a media file and PyAV is not installed.
    """
    head, num_bytes = _read_head(file)
    if not num_bytes:
        raise AudioError(f"{name}: is empty (0 bytes).")
    try:
        import av  # noqa: PLC0415  an optional dependency
    except ImportError as error:
        if Path(name).suffix.lower() in MEDIA_SUFFIXES or _is_media(head):
            raise MissingExtraError(f"Reading {name}", "av", "media") from error
        raise AudioError(_describe_refusal(name, num_bytes)) from error
    try:
        container = av.open(str(file) if isinstance(file, Path) else file, mode="r")
    except (av.FFmpegError, ValueError) as error:
        raise AudioError(_describe_refusal(name, num_bytes)) from error
    with container:
        if not container.streams.audio:
            raise AudioError(f"{name}: has no audio track.")
        promised_s = _promised_duration(container)
        resampler, damage = yield from _iter_track(container, name, target_rate_hz)
    if resampler is None:
        reason = damage or "its audio track is empty"
        raise AudioError(f"{name}: the audio cannot be decoded: {reason}.")
    yield resampler.finish()
    if damage is None and promised_s - resampler.decoded_s > _DURATION_TOLERANCE_S:
        damage = f"the header promises {promised_s:.2f} s"
    if damage is not None:
        on_damage(resampler.decoded_s, damage)


def _iter_track(
    container: "InputContainer", name: str, target_rate_hz: float
) -> Generator[NDArray[np.float32], None, tuple[MonoResampler | None, str | None]]:
    """Decode to the end, or to the damage, and say what the damage is."""
    import av  # noqa: PLC0415  an optional dependency

    resampler: MonoResampler | None = None
    # Keeps rate and layout, and makes every codec's samples planar float32.
    to_float = av.AudioResampler(format="fltp")
    try:
        for frame in container.decode(container.streams.audio[0]):
            # The first frame, not the header, knows the rate of an HE-AAC track.
            if resampler is None:
                resampler = MonoResampler(name, frame.sample_rate, target_rate_hz)
            for converted in to_float.resample(frame):
                values = converted.to_ndarray().T.astype(np.float32, copy=False)
                yield resampler.convert(values)
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, AudioError):
            raise  # an absurd rate, which is no damage
        return resampler, f"decoder error: {error}"
    return resampler, None


def _promised_duration(container: "InputContainer") -> float:
    """Return the track's length in seconds by its header, 0 when it does not say."""
    stream = container.streams.audio[0]
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and not container.streams.video:
        return container.duration / 1e6  # FFmpeg counts microseconds
    return 0.0


def _read_head(file: Path | BinaryIO) -> tuple[bytes, int]:
    """Return the first bytes and the size; leave an open file at its start."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return opened.read(16), opened.seek(0, os.SEEK_END)
    num_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(16)
    file.seek(0)
    return head, num_bytes


def _is_media(head: bytes) -> bool:
    return any(head[at : at + len(mark)] == mark for at, mark in _MEDIA_MARKS)


def _describe_refusal(name: str, num_bytes: int) -> str:
    return (
        f"{name}: no decoder recognises these {num_bytes} bytes as audio, or the file is cut "
        "off before its first sample. Allowed are wav, flac, ogg, opus, mp3, m4a, aac, webm, "
        "mp4 and others; convert the file to wav."
    )
