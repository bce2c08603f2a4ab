"""With a stand-in for sounddevice: machines that run tests have no microphone."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest

from wav2vec2_conformer.audio.microphone import Microphone, iter_microphone, list_microphones
from wav2vec2_conformer.errors import AudioError, MissingExtraError


class PortAudioError(Exception):
    pass


class InputStream:
    """Records the numbers 0, 1, 2, ... in three blocks, then stops."""

    opened: list[dict[str, Any]]
    num_closed = 0

    def __init__(self, *, callback: Callable[..., None], **options: Any) -> None:
        if options["device"] == "nothing":
            raise ValueError("No input device matching 'nothing'")
        InputStream.opened.append(options)
        self.callback = callback
        self.active = True

    def __enter__(self) -> Self:
        buffer = np.empty((4, 1), np.float32)  # used again for each block, as the driver does
        for start in (0, 4, 8):
            buffer[:, 0] = np.arange(start, start + 4)
            self.callback(buffer, 4, None, None)
        buffer[:] = -1
        self.active = False
        return self

    def __exit__(self, *_: object) -> None:
        InputStream.num_closed += 1


@pytest.fixture(autouse=True)
def sounddevice(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    devices = [
        {"name": "Speakers", "max_input_channels": 0, "default_samplerate": 48_000.0},
        {"name": "Laptop", "max_input_channels": 2, "default_samplerate": 44_100.0},
        {"name": "Headset", "max_input_channels": 1, "default_samplerate": 16_000.0},
    ]
    module = SimpleNamespace(
        query_devices=lambda: devices,
        default=SimpleNamespace(device=(2, 0)),
        InputStream=InputStream,
        PortAudioError=PortAudioError,
    )
    InputStream.opened, InputStream.num_closed = [], 0
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def test_devices_that_can_record_are_listed() -> None:
    assert list_microphones() == [
        Microphone(1, "Laptop", 44_100.0, is_default=False),
        Microphone(2, "Headset", 16_000.0, is_default=True),
    ]


def test_blocks_arrive_in_order_and_are_copies() -> None:
    recording = iter_microphone("Head", sample_rate_hz=16_000)
    blocks = [next(recording) for _ in range(3)]
    with pytest.raises(AudioError, match="stopped recording"):
        next(recording)
    np.testing.assert_array_equal(np.concatenate(blocks), np.arange(12))
    (options,) = InputStream.opened
    assert (options["device"], options["samplerate"], options["channels"]) == ("Head", 16_000, 1)
    assert (options["blocksize"], options["dtype"]) == (800, "float32")


def test_closing_the_iterator_closes_the_device() -> None:
    blocks = iter_microphone()
    next(blocks)
    assert InputStream.num_closed == 0
    blocks.close()
    assert InputStream.num_closed == 1


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(AudioError, match=r"microphone nothing cannot be used.*--list-microphones"):
        next(iter_microphone("nothing"))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match=r"wav2vec2-conformer\[mic\]"):
        list_microphones()


def test_without_the_system_library_a_way_out_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AudioError, match=r"PortAudio library not found.*arecord"):
        list_microphones()
