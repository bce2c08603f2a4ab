"""Media files through PyAV, and a clear error without it."""

import io
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from wav2vec2_conformer.audio import TruncatedAudioWarning, load_audio
from wav2vec2_conformer.errors import AudioError, MissingExtraError

CONTAINERS = [("ipod", "aac"), ("mp4", "aac"), ("adts", "aac"), ("webm", "libopus")]


def encode(container_format: str, codec: str, duration_s: float = 2.0) -> bytes:
    """Return a stereo tone of 440 Hz whose right channel is silent."""
    rate_hz = 48_000
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    tone = (0.5 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)
    stereo = np.stack([tone, np.zeros_like(tone)])
    file = io.BytesIO()
    with av.open(file, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="stereo")
        stream.bit_rate = 192_000
        frame = av.AudioFrame.from_ndarray(stereo, format="fltp", layout="stereo")
        frame.sample_rate = rate_hz
        fifo = av.AudioFifo()
        fifo.write(frame)
        stream.codec_context.open()
        while piece := fifo.read(stream.codec_context.frame_size, partial=True):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(("container_format", "codec"), CONTAINERS)
def test_media_files_are_read(tmp_path: Path, container_format: str, codec: str) -> None:
    encoded = encode(container_format, codec)
    path = tmp_path / "clip.media"
    path.write_bytes(encoded)
    for source in (path, encoded):
        waveform = load_audio(source)
        assert waveform.dtype == np.float32
        assert len(waveform) == pytest.approx(32_000, abs=1_600)
        spectrum = np.abs(np.fft.rfft(waveform[8_000:24_000]))
        assert int(spectrum.argmax()) == 440
        # Two channels, one of them silent: half of the tone's amplitude.
        assert np.abs(waveform[8_000:24_000]).max() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(
    ("name", "container_format", "codec"),
    [("clip.m4a", "ipod", "aac"), ("clip", "webm", "libopus"), ("clip", "adts", "aac")],
)
def test_without_pyav_the_extra_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    container_format: str,
    codec: str,
) -> None:
    path = tmp_path / name
    path.write_bytes(encode(container_format, codec))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"wav2vec2-conformer\[media\]"):
        load_audio(path)


def test_without_pyav_a_text_file_is_no_audio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "text.wav"
    path.write_text("text")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match="no decoder"):
        load_audio(path)


def test_a_picture_has_no_audio_track() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        black = np.zeros((16, 16, 3), np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(black, format="rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match="no audio track"):
        load_audio(file.getvalue())


@pytest.mark.parametrize(("container_format", "codec"), [("adts", "aac"), ("webm", "libopus")])
def test_a_cut_stream_is_used_with_a_warning(container_format: str, codec: str) -> None:
    encoded = encode(container_format, codec, duration_s=4.0)
    with pytest.warns(TruncatedAudioWarning):
        waveform = load_audio(encoded[: len(encoded) // 2 + 10])
    assert 16_000 < len(waveform) < 48_000


def test_an_mp4_without_its_index_is_refused() -> None:
    encoded = encode("mp4", "aac")
    with pytest.raises(AudioError, match="no decoder"):
        load_audio(encoded[: len(encoded) // 2])
