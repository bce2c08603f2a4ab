"""Whatever holds audio to a 16 kHz mono float32 waveform.

Rules, the same for every source: channels are averaged; other rates are resampled (soxr HQ);
integers are scaled by the range of their type; a silent recording is a result, an empty one
is an error; a recording that is cut off is used as far as it goes, with a warning.
"""

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio.arrays import as_moments, iter_blocks
from wav2vec2_conformer.audio.decoding import RecordingBytes, decode_audio
from wav2vec2_conformer.audio.waveform import WaveformBuilder, check_sample_rate
from wav2vec2_conformer.errors import AudioError, InputError


class Tensor(Protocol):
    """A tensor of torch, or of a library that offers the same."""

    def detach(self) -> Any:  # noqa: D102
        ...


AudioSource = str | os.PathLike[str] | bytes | BinaryIO | NDArray[Any] | Tensor | Mapping[str, Any]


def load_audio(
    source: AudioSource,
    sample_rate_hz: float | None = None,
    *,
    target_rate_hz: int = 16_000,
) -> NDArray[np.float32]:
    """Load audio of any kind as one mono waveform.

    Args:
        source: A path; `-` for standard input; the bytes of a file; a binary file object,
            read from where it stands; a numpy array or torch tensor of samples with one axis,
            or with a second axis of at most 16 channels; or a row of a Hugging Face dataset,
            `{"array", "sampling_rate"}` or `{"bytes", "path"}`.
        sample_rate_hz: Rate of an array or tensor, which cannot say it. Not used for encoded
            audio, which says its own.
        target_rate_hz: Rate of the result.

    Returns:
        New samples of shape (L,), between -1 and 1 unless the source exceeds that.

    Raises:
        AudioError: When the audio is missing, empty, damaged, no audio, or not finite.
        InputError: When an array's shape, type or rate cannot be audio.
        MissingExtraError: When the format needs the extra `media`.

    Warns:
        TruncatedAudioWarning: When only the first part of the recording could be decoded.
    """
    name = source_name(source)
    check_sample_rate(target_rate_hz, "target_rate_hz")
    if isinstance(source, Mapping):
        source, sample_rate_hz = _unpack_row(source)
    if isinstance(source, str | os.PathLike):
        if source == "-":
            return decode_audio(RecordingBytes(_read_stdin()), name, target_rate_hz)
        return _load_path(Path(source), name, target_rate_hz)
    if isinstance(source, bytes | bytearray | memoryview):
        return decode_audio(RecordingBytes(source), name, target_rate_hz)
    if hasattr(source, "read"):
        content = source.read()
        if not isinstance(content, bytes):
            raise InputError(f"{name}: open the file in binary mode, as in open(path, 'rb').")
        return decode_audio(RecordingBytes(content), name, target_rate_hz)
    # After the files, which have a method `detach` too.
    if isinstance(source, np.ndarray) or hasattr(source, "detach"):
        return _load_array(source, name, sample_rate_hz, target_rate_hz)
    raise InputError(
        "audio must be a path, bytes, a binary file object, a numpy array or a torch tensor, "
        f"but is a {type(source).__name__}."
    )


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


def _unpack_row(row: Mapping[str, Any]) -> tuple[AudioSource, float | None]:
    """Split a row of a Hugging Face dataset into a source and a rate."""
    if row.get("array") is not None:
        return np.asarray(row["array"]), row.get("sampling_rate")
    for key in ("bytes", "path"):
        if row.get(key) is not None:
            return row[key], None
    raise InputError(
        "a row must hold `array` and `sampling_rate`, or `bytes`, or `path`, but holds "
        f"{sorted(row)}."
    )


def _load_path(path: Path, name: str, target_rate_hz: int) -> NDArray[np.float32]:
    try:
        mode = path.stat().st_mode
        if stat.S_ISFIFO(mode):  # a shell's <(command)
            return decode_audio(RecordingBytes(path.read_bytes()), name, target_rate_hz)
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a device"
            raise AudioError(f"{name}: is {kind}, not an audio file.")
        with path.open("rb"):
            pass  # tells a file that may not be read from one that is not audio
    except FileNotFoundError as error:
        raise AudioError(f"{name}: no such file.") from error
    except (OSError, ValueError) as error:
        raise AudioError(f"{name}: cannot be opened: {error}.") from error
    return decode_audio(path, name, target_rate_hz)


def _load_array(
    samples: NDArray[Any] | Tensor,
    name: str,
    sample_rate_hz: float | None,
    target_rate_hz: int,
) -> NDArray[np.float32]:
    if sample_rate_hz is None:
        raise InputError(
            f"{name}: an array does not say its sample rate; pass sample_rate_hz, for example "
            "sample_rate_hz=16_000."
        )
    moments = as_moments(samples, name)
    builder = WaveformBuilder(
        name, float(sample_rate_hz), target_rate_hz, expected_moments=len(moments)
    )
    for block in iter_blocks(moments, name):
        builder.add(block)
    return builder.build()


def _read_stdin() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise AudioError("stdin: is a terminal or closed; pipe audio into it, as in `< clip.wav`.")
    return sys.stdin.buffer.read()
