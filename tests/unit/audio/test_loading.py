"""Every kind of source becomes the same waveform, and bad ones a clear error."""

import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from wav2vec2_conformer.audio import load_audio, read_duration
from wav2vec2_conformer.errors import AudioError, InputError

RATE_HZ = 16_000


def tone(duration_s: float, rate_hz: int = RATE_HZ, frequency_hz: float = 440.0) -> np.ndarray:
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def wav_bytes(samples: np.ndarray, rate_hz: int = RATE_HZ, subtype: str = "FLOAT") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype=subtype)
    return file.getvalue()


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


@pytest.mark.parametrize(
    ("suffix", "file_format", "subtype", "rate_hz"),
    [
        (".wav", "WAV", "PCM_16", 16_000),
        (".flac", "FLAC", "PCM_16", 16_000),
        (".ogg", "OGG", "VORBIS", 16_000),
        (".opus", "OGG", "OPUS", 48_000),
        (".mp3", "MP3", "MPEG_LAYER_III", 16_000),
        (".aiff", "AIFF", "PCM_16", 16_000),
    ],
)
def test_soundfile_formats_are_read(
    tmp_path: Path, suffix: str, file_format: str, subtype: str, rate_hz: int
) -> None:
    path = tmp_path / f"tone{suffix}"
    soundfile.write(path, tone(1.0, rate_hz), rate_hz, format=file_format, subtype=subtype)
    waveform = load_audio(path)
    assert waveform.dtype == np.float32
    assert waveform.shape == (RATE_HZ,)
    assert correlation(waveform, tone(1.0)) > 0.99


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000])
def test_other_rates_are_resampled(rate_hz: int) -> None:
    waveform = load_audio(wav_bytes(tone(2.0, rate_hz), rate_hz))
    assert waveform.shape == (2 * RATE_HZ,)
    inner = slice(1_000, -1_000)
    np.testing.assert_allclose(waveform[inner], tone(2.0)[inner], atol=1e-3)


def test_block_by_block_equals_at_once() -> None:
    # Longer than a block of the decoder, at a rate that has to be resampled.
    samples = np.random.default_rng(0).normal(0, 0.1, 300_000).astype(np.float32)
    import soxr

    expected = soxr.resample(samples, 44_100, RATE_HZ, quality="HQ")
    np.testing.assert_allclose(load_audio(wav_bytes(samples, 44_100)), expected, atol=1e-6)


def test_mp3_is_whole_across_blocks() -> None:
    """Reading through soundfile's own blocks damages the samples after each block."""
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000 * 20).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="MP3")
    expected, _ = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")
    np.testing.assert_allclose(load_audio(file.getvalue()), expected, atol=1e-6)


def test_channels_are_averaged() -> None:
    left, right = tone(1.0), tone(1.0, frequency_hz=1_000.0)
    expected = (left + right) / 2
    encoded = wav_bytes(np.stack([left, right], axis=1))
    np.testing.assert_allclose(load_audio(encoded), expected, atol=1e-7)
    for array in (np.stack([left, right]), np.stack([left, right], axis=1)):
        np.testing.assert_allclose(load_audio(array, RATE_HZ), expected, atol=1e-7)


def test_all_kinds_of_sources_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = tone(1.0)
    encoded = wav_bytes(expected)
    path = tmp_path / "tone.wav"
    path.write_bytes(encoded)
    with path.open("rb") as file:
        sources = [path, str(path), encoded, io.BytesIO(encoded), file]
        for source in sources:
            np.testing.assert_array_equal(load_audio(source), expected)
    for array in (expected, torch.from_numpy(expected), expected.astype(np.float64)):
        np.testing.assert_array_equal(load_audio(array, RATE_HZ), expected)
    for row in (
        {"array": expected, "sampling_rate": RATE_HZ},
        {"bytes": encoded, "path": "tone.wav"},
        {"bytes": None, "path": str(path)},
    ):
        np.testing.assert_array_equal(load_audio(row), expected)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(encoded)))
    np.testing.assert_array_equal(load_audio("-"), expected)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_a_named_pipe_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(wav_bytes(tone(0.5)),))
    writer.start()
    np.testing.assert_array_equal(load_audio(pipe), tone(0.5))
    writer.join()


def test_the_source_array_is_not_changed() -> None:
    samples = tone(0.2)
    loaded = load_audio(samples, RATE_HZ)
    loaded *= 0
    np.testing.assert_array_equal(samples, tone(0.2))


@pytest.mark.parametrize(
    ("dtype", "low", "middle"),
    [
        ("uint8", 0, 128),
        ("int8", -128, 0),
        ("int16", -32_768, 0),
        ("uint16", 0, 32_768),
        ("int32", -(2**31), 0),
    ],
)
def test_integers_are_scaled_by_the_range_of_their_type(dtype: str, low: int, middle: int) -> None:
    waveform = load_audio(np.array([low, middle], dtype=dtype), RATE_HZ)
    np.testing.assert_array_equal(waveform, np.array([-1.0, 0.0], np.float32))


def test_an_int16_array_equals_its_wav_file() -> None:
    samples = (tone(0.3) * 32_767).astype(np.int16)
    np.testing.assert_array_equal(
        load_audio(samples, RATE_HZ), load_audio(wav_bytes(samples, subtype="PCM_16"))
    )


def test_a_bfloat16_tensor_is_read() -> None:
    samples = torch.from_numpy(tone(0.1)).bfloat16()
    np.testing.assert_array_equal(load_audio(samples, RATE_HZ), samples.float().numpy())


@pytest.mark.parametrize("shape", [(4, 4), (20, 20), (2, 2, 100), ()])
def test_ambiguous_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="shape"):
        load_audio(np.zeros(shape, np.float32), RATE_HZ)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 100), (100, 1)])
def test_an_axis_of_one_is_the_channel(shape: tuple[int, int]) -> None:
    assert load_audio(np.ones(shape, np.float32), RATE_HZ).shape == (max(shape),)


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64"])
def test_types_that_are_no_audio_are_refused(dtype: str) -> None:
    with pytest.raises(InputError, match=dtype):
        load_audio(np.zeros(100, dtype), RATE_HZ)


def test_an_array_without_rate_is_refused() -> None:
    with pytest.raises(InputError, match="sample_rate_hz"):
        load_audio(tone(0.1))


@pytest.mark.parametrize("rate_hz", [0, -16_000, 1, 10**9, float("nan")])
def test_absurd_rates_are_refused(rate_hz: float) -> None:
    with pytest.raises(AudioError, match="sample rate"):
        load_audio(tone(0.1), rate_hz)


@pytest.mark.parametrize("rate_hz", [1, 10**9])
def test_absurd_rates_in_headers_are_refused(rate_hz: int) -> None:
    encoded = bytearray(wav_bytes(tone(0.1), subtype="PCM_16"))
    encoded[24:28] = rate_hz.to_bytes(4, "little")
    with pytest.raises(AudioError, match="sample rate"):
        load_audio(bytes(encoded))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_values_that_are_not_finite_are_counted(value: float, rate_hz: int) -> None:
    samples = tone(8.0, rate_hz)
    samples[[rate_hz, rate_hz + 5, -1]] = value
    for source in (samples, wav_bytes(samples, rate_hz)):
        with pytest.raises(AudioError, match=rf"3 of {8 * rate_hz} .* number {rate_hz} "):
            load_audio(source, rate_hz)


def test_values_beyond_float32_are_refused() -> None:
    with pytest.raises(AudioError, match="1e\\+300"):
        load_audio(np.array([0.0, 1e300]), RATE_HZ)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"not audio, but a text\n" * 100, "no decoder"),
        (b"R", "no decoder"),
        (bytes(10_000), "no decoder"),
        (wav_bytes(np.zeros(0, np.float32)), "holds no samples"),
        (wav_bytes(tone(0.1))[:30], "no decoder"),
    ],
)
def test_files_without_audio_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    for source in (path, content):
        with pytest.raises(AudioError, match=message):
            load_audio(source)


def test_random_bytes_are_refused() -> None:
    with pytest.raises(AudioError):
        load_audio(np.random.default_rng(0).bytes(50_000))


def test_an_empty_array_is_refused() -> None:
    with pytest.raises(AudioError, match="no samples"):
        load_audio(np.zeros(0, np.float32), RATE_HZ)


def test_less_than_one_resampled_sample_is_refused() -> None:
    with pytest.raises(AudioError, match="1 samples"):
        load_audio(np.zeros(1, np.float32), 48_000)


def test_silence_is_a_result() -> None:
    np.testing.assert_array_equal(
        load_audio(wav_bytes(np.zeros(1_600, np.float32))), np.zeros(1_600, np.float32)
    )


def test_missing_paths_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no such file"):
        load_audio(tmp_path / "missing.wav")
    with pytest.raises(AudioError, match="folder"):
        load_audio(tmp_path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero")
def test_an_endless_device_is_refused() -> None:
    with pytest.raises(AudioError, match="device"):
        load_audio("/dev/zero")


def test_headerless_audio_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "clip.raw"
    path.write_bytes(tone(0.1).tobytes())
    with pytest.raises(AudioError, match=r"numpy\.fromfile"):
        load_audio(path)


def test_a_text_file_object_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.txt"
    path.write_text("text")
    with path.open() as file, pytest.raises(InputError, match="binary"):
        load_audio(file)


@pytest.mark.parametrize("source", [None, 3, [0.0, 0.1]])
def test_other_objects_are_refused(source: object) -> None:
    with pytest.raises(InputError, match=type(source).__name__):
        load_audio(source)


def test_stdin_on_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    with pytest.raises(AudioError, match="terminal"):
        load_audio("-")


def test_long_audio_needs_little_memory_beyond_itself(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "long.wav"
    minute = np.zeros((44_100 * 60, 2), np.int16)
    with soundfile.SoundFile(path, "w", 44_100, 2, "PCM_16") as file:
        for _ in range(20):
            file.write(minute)
    tracemalloc.start()
    waveform = load_audio(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert waveform.shape == (20 * 60 * RATE_HZ,)
    assert peak_bytes < waveform.nbytes * 1.1


def test_durations_are_read_from_headers(tmp_path: Path) -> None:
    path = tmp_path / "tone.flac"
    soundfile.write(path, tone(1.5), RATE_HZ)
    assert read_duration(path) == pytest.approx(1.5)
    assert read_duration(tmp_path / "missing.wav") is None
    assert read_duration("-") is None
    path.write_bytes(b"text")
    assert read_duration(path) is None
