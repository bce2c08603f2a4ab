"""Blocks of a recording are what `load_audio` joins, as often as they are asked for."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from wav2vec2_conformer.audio import AudioBlocks, TruncatedAudioWarning, load_audio, source
from wav2vec2_conformer.errors import AudioError, InputError

FORMATS = [
    ("WAV", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]
RATES_HZ = [8_000, 16_000, 22_050, 24_000, 44_100, 48_000]
OPUS_RATES_HZ = {8_000, 16_000, 24_000, 48_000}


def noise(num_samples: int, num_channels: int = 1) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.1, (num_samples, num_channels)).astype(np.float32)


def encode(samples: np.ndarray, rate_hz: int, file_format: str, subtype: str) -> bytes:
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", rate_hz, samples.shape[1], format=file_format, subtype=subtype
    ) as sound_file:
        for start in range(0, len(samples), 16_000):
            sound_file.write(samples[start : start + 16_000])
    return file.getvalue()


def decode_whole(encoded: bytes) -> np.ndarray:
    """Decode, average and resample in one piece each."""
    samples, rate_hz = soundfile.read(io.BytesIO(encoded), dtype="float32", always_2d=True)
    return soxr.resample(samples.mean(axis=1), rate_hz, 16_000, quality="HQ")


@pytest.mark.parametrize(
    ("file_format", "subtype", "rate_hz"),
    [
        (file_format, subtype, rate_hz)
        for file_format, subtype in FORMATS
        for rate_hz in RATES_HZ
        if subtype != "OPUS" or rate_hz in OPUS_RATES_HZ
    ],
)
def test_blocks_are_the_recording(
    tmp_path: Path, file_format: str, subtype: str, rate_hz: int
) -> None:
    encoded = encode(noise(9 * rate_hz, 2), rate_hz, file_format, subtype)
    path = tmp_path / "audio"
    path.write_bytes(encoded)
    blocks = list(AudioBlocks(path))
    assert len(blocks) > 1
    joined = np.concatenate(blocks)
    np.testing.assert_array_equal(joined, load_audio(encoded))
    np.testing.assert_allclose(joined, decode_whole(encoded), atol=2e-6)


def test_each_iteration_starts_anew() -> None:
    encoded = encode(noise(200_000), 16_000, "FLAC", "PCM_16")
    expected = load_audio(encoded)
    array = expected.copy()
    for blocks in (
        AudioBlocks(encoded),
        AudioBlocks(io.BytesIO(encoded)),
        AudioBlocks({"bytes": encoded, "path": None}),
        AudioBlocks(array, 16_000),
    ):
        with blocks:
            assert blocks.duration_s is None
            next(iter(blocks))
            assert blocks.duration_s is None  # not read to its end
            for _ in range(2):
                np.testing.assert_array_equal(np.concatenate(list(blocks)), expected)
                assert blocks.duration_s == 200_000 / 16_000


def test_the_name_is_that_of_the_source() -> None:
    assert AudioBlocks(b"not read yet").name == "<bytes>"


def test_blocks_may_be_written_to() -> None:
    array = np.ones(1_000, np.float32)
    for block in AudioBlocks(array, 16_000):
        block *= 2  # noqa: PLW2901  the point
    assert array.max() == 1.0


def test_a_long_pipe_goes_through_a_temporary_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(source, "_SPOOL_BYTES", 1 << 20)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    encoded = encode(noise(3_000_000), 16_000, "WAV", "PCM_16")
    with AudioBlocks(io.BytesIO(encoded)) as blocks:
        [folder] = tmp_path.iterdir()
        assert sum(path.stat().st_size for path in folder.iterdir()) == len(encoded)
        for _ in range(2):
            np.testing.assert_array_equal(np.concatenate(list(blocks)), load_audio(encoded))
    assert not list(tmp_path.iterdir())


def test_a_pipe_that_fits_nowhere_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(source, "_SPOOL_BYTES", 1 << 20)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(AudioError, match="TMPDIR"):
        AudioBlocks(io.BytesIO(bytes(2 << 20)))


def test_a_file_object_is_read_from_where_it_stands() -> None:
    encoded = encode(noise(8_000), 16_000, "WAV", "PCM_16")
    file = io.BytesIO(b"before" + encoded)
    file.seek(6)
    np.testing.assert_array_equal(load_audio(file), load_audio(encoded))


def test_a_cut_recording_warns_once(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    encoded = encode(noise(200_000), 16_000, "WAV", "PCM_16")
    path.write_bytes(encoded[: len(encoded) // 2])
    blocks = AudioBlocks(path)
    with pytest.warns(TruncatedAudioWarning, match=r"only its first 6\.2"):
        first = np.concatenate(list(blocks))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(np.concatenate(list(blocks)), first)


def test_samples_that_are_not_finite_are_an_error_after_the_good_ones() -> None:
    samples = noise(1_000_000)
    samples[900_000] = np.nan
    blocks = iter(AudioBlocks(samples, 16_000))
    for _ in range(3):
        assert np.isfinite(next(blocks)).all()
    with pytest.raises(AudioError, match=r"1 of 1000000 .* number 900000 "):
        next(blocks)


def test_loading_stops_beyond_a_limit() -> None:
    samples = noise(5_000_000)
    blocks = AudioBlocks(samples, 16_000)
    assert 100_000 < len(blocks.load(100_000)) < 1_000_000
    assert len(blocks.load(5_000_000)) == 5_000_000
    assert len(blocks.load()) == 5_000_000


@pytest.mark.parametrize("bad", [None, 3, object()])
def test_what_is_no_source_is_refused_at_once(bad: object) -> None:
    with pytest.raises(InputError, match="audio must be"):
        AudioBlocks(bad)


def test_ten_minutes_are_read_in_little_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "long.flac"
    minute = np.tile(noise(44_100, 2), (60, 1))
    with soundfile.SoundFile(path, "w", 44_100, 2, "PCM_16") as file:
        for _ in range(10):
            file.write(minute)
    tracemalloc.start()
    num_samples = sum(len(block) for block in AudioBlocks(path))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert num_samples == 10 * 60 * 16_000
    assert peak_bytes < 4_000_000
