"""Uploads that mean harm: each is refused, and the server goes on."""

import asyncio
import io
import os
import struct
import sys
import tempfile
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from wav2vec2_conformer.server.api_error import ApiError
from wav2vec2_conformer.server.audio_child import has_known_start
from wav2vec2_conformer.server.audio_decoders import AudioDecoders

from .conftest import as_wav


def wav_header(rate_hz: int, num_channels: int, num_bytes: int) -> bytes:
    block = num_channels * 2
    rate = rate_hz * block & 0xFFFFFFFF
    form = struct.pack("<HHIIHH", 1, num_channels, rate_hz, rate, block & 0xFFFF, 16)
    head = (
        b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", num_bytes)
    )
    return b"RIFF" + struct.pack("<I", len(head) + num_bytes & 0xFFFFFFFF) + head


def bomb() -> bytes:
    """About an hour of silence in a few kilobytes."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", 8000, 1, "PCM_16", format="FLAC") as file:
        for _ in range(60):
            file.write(np.zeros(60 * 8000, np.int16))
    return buffer.getvalue()


HOSTILE = {
    "empty": (b"", 422),
    "text": (b"hello " * 100, 422),
    "zeros": (bytes(10_000), 422),
    "cut header": (b"RIFF\x00\x01\x00\x00WAVEfmt ", 422),
    "no rate": (wav_header(0, 1, 3200) + bytes(3200), 422),
    "enormous rate": (wav_header(2_000_000_000, 1, 3200) + bytes(3200), 422),
    "60,000 channels": (wav_header(16_000, 60_000, 240_000) + bytes(240_000), 422),
    "playlist": (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n", 422),
    "concat": (b"ffconcat version 1.0\nfile /etc/passwd\n", 422),
    "broken mp4": (b"\x00\x00\x00\x20ftypisom" + os.urandom(5000), 422),
    "broken ogg": (b"OggS" + os.urandom(5000), 422),
    "broken webm": (b"\x1a\x45\xdf\xa3" + os.urandom(5000), 422),
    "bomb": (bomb(), 413),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_and_the_server_goes_on(
    http: httpx.Client, wav: bytes, kind: str
) -> None:
    content, status = HOSTILE[kind]
    answer = http.post("/v1/audio/transcriptions", files={"file": ("a.wav", content)})
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["param"] == "file"
    assert error["code"] in {"invalid_audio", "audio_too_long"}
    for secret in (tempfile.gettempdir(), "Traceback", str(Path.home()), sys.prefix, "a.wav"):
        assert secret not in answer.text
    good = http.post("/v1/audio/transcriptions", files={"file": wav})
    assert good.status_code == 200


def test_a_recording_that_is_cut_off_is_used(http: httpx.Client, wav: bytes) -> None:
    answer = http.post("/v1/audio/transcriptions", files={"file": wav[: len(wav) // 2]})
    assert answer.status_code == 200
    assert answer.json()["usage"]["seconds"] == pytest.approx(1.1, abs=0.01)


def test_only_known_kinds_reach_the_decoders(wav: bytes) -> None:
    assert has_known_start(wav[:256])
    assert has_known_start(b"\xff\xfb\x90\x00" + bytes(100))
    assert has_known_start(b"\x47" + bytes(187) + b"\x47")
    for head in (b"", b"#EXTM3U", b"<?xml", b"v=0\r\no=", b"\x47" + bytes(255), b"file:///etc"):
        assert not has_known_start(head)


def decode_all(decoders: AudioDecoders, paths: list[Path], target: Path) -> list[object]:
    """Decode files one after another; return numbers of samples and errors."""

    async def run() -> list[object]:
        await decoders.start()
        results: list[object] = []
        for path in paths:
            try:
                results.append(await decoders.decode(path, target, rate_hz=16_000))
            except ApiError as error:
                results.append(error)
        await decoders.close()
        return results

    return asyncio.run(run())


@pytest.fixture
def silence(tmp_path: Path) -> Path:
    path = tmp_path / "silence.wav"
    path.write_bytes(as_wav(np.zeros(160)))
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_decoder_that_takes_too_long_is_replaced(tmp_path: Path, silence: Path) -> None:
    os.mkfifo(tmp_path / "endless")  # nobody ever writes into it
    decoders = AudioDecoders(1, memory_mb=512, timeout_s=2, max_audio_s=100)
    refused, num_samples = decode_all(decoders, [tmp_path / "endless", silence], tmp_path / "out")
    assert isinstance(refused, ApiError)
    assert "longer than 2 s" in refused.message
    assert num_samples == 160


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no limit of memory here")
def test_a_decoder_that_needs_too_much_memory_goes_on(tmp_path: Path, silence: Path) -> None:
    decoders = AudioDecoders(1, memory_mb=64, timeout_s=60, max_audio_s=100)
    # A block of 1,024 channels, the most that libsndfile reads, takes 268 MB.
    wide = tmp_path / "wide.wav"
    wide.write_bytes(wav_header(16_000, 1_024, 1 << 22) + bytes(1 << 22))
    refused, num_samples = decode_all(decoders, [wide, silence], tmp_path / "out")
    assert isinstance(refused, ApiError)
    assert "memory" in refused.message
    assert num_samples == 160
