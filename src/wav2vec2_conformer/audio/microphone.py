"""The microphone, through sounddevice (extra `mic`).

Shapes used in this file:
    L  samples
"""

import queue
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import AudioError, MissingExtraError

_BLOCK_S = 0.05
# How long one waits for a block before asking again: lets Ctrl-C through on every system.
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Microphone:
    """A device that can record.

    Attributes:
        number: What the system calls it.
        name: What people call it.
        sample_rate_hz: Rate that it prefers.
        is_default: Whether it is used when none is named.
    """

    number: int
    name: str
    sample_rate_hz: float
    is_default: bool


def list_microphones() -> list[Microphone]:
    """Return the devices that can record.

    Raises:
        MissingExtraError: When sounddevice is not installed.
        AudioError: When the system has no PortAudio library.
    """
    sounddevice = _import_sounddevice()
    default = sounddevice.default.device[0]
    return [
        Microphone(
            number,
            str(device["name"]),
            float(device["default_samplerate"]),
            is_default=number == default,
        )
        for number, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"] > 0
    ]


def iter_microphone(
    device: int | str | None = None, *, sample_rate_hz: int = 16_000
) -> Generator[NDArray[np.float32], None, None]:
    """Record until the iterator is closed.

    Args:
        device: Number or part of the name of a device (`list_microphones`); None for the
            system's default.
        sample_rate_hz: Rate of the samples; the system converts.

    Yields:
        Samples of shape (L,). None are lost when the consumer is slow for a while: they wait.

    Raises:
        MissingExtraError: When sounddevice is not installed.
        AudioError: When there is no PortAudio, no such device, or it cannot be opened.
    """
    sounddevice = _import_sounddevice()
    blocks: queue.SimpleQueue[NDArray[np.float32]] = queue.SimpleQueue()

    def keep(recorded: Any, _num_samples: int, _time: Any, _status: Any) -> None:
        blocks.put(recorded[:, 0].copy())  # the array is the driver's and used again

    try:
        stream = sounddevice.InputStream(
            samplerate=sample_rate_hz,
            blocksize=round(_BLOCK_S * sample_rate_hz),
            device=device,
            channels=1,
            dtype="float32",
            callback=keep,
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioError(
            f"the microphone {'(default)' if device is None else device} cannot be used: {error}. "
            "List the devices with: wav2vec2-conformer stream --list-microphones"
        ) from error
    with stream:
        while True:
            try:
                block = blocks.get(timeout=_POLL_S)
            except queue.Empty:
                if not stream.active:
                    raise AudioError("the microphone has stopped recording.") from None
                continue
            yield block


def _import_sounddevice() -> Any:
    try:
        import sounddevice  # noqa: PLC0415  an optional dependency
    except ImportError as error:
        raise MissingExtraError("Recording", "sounddevice", "mic") from error
    except OSError as error:  # its wheels for Linux do not hold the library
        raise AudioError(
            f"recording needs the system's PortAudio library: {error}. Install it (Debian and "
            "Ubuntu: apt install libportaudio2), or pipe a recorder: arecord -q -f S16_LE "
            "-r 16000 -c 1 -t raw | wav2vec2-conformer stream -"
        ) from error
    return sounddevice
