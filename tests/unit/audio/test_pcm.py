import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wav2vec2_conformer.audio.pcm import PcmReader
from wav2vec2_conformer.errors import AudioError, InputError


def read_all(reader: PcmReader, data: bytes, sizes: list[int] | None = None) -> np.ndarray:
    pieces, start = [], 0
    for size in sizes or []:
        pieces.append(reader.read(data[start : start + size]))
        start += size
    return np.concatenate([*pieces, reader.read(data[start:]), reader.finish()])


@pytest.mark.parametrize(
    ("pcm_format", "stored"),
    [("s16le", [0x0000, 0x4000, 0x8000]), ("s32le", [0, 0x4000_0000, 0x8000_0000])],
)
def test_integers_are_scaled_to_one(pcm_format: str, stored: list[int]) -> None:
    num_bytes = 2 if pcm_format == "s16le" else 4
    data = b"".join(value.to_bytes(num_bytes, "little") for value in stored)
    reader = PcmReader("x", sample_rate_hz=16_000, pcm_format=pcm_format)
    np.testing.assert_array_equal(read_all(reader, data), np.float32([0.0, 0.5, -1.0]))


def test_channels_are_averaged() -> None:
    data = np.float32([[0.5, 0.25], [-1.0, 0.0]]).tobytes()
    reader = PcmReader("x", sample_rate_hz=16_000, num_channels=2, pcm_format="f32le")
    np.testing.assert_array_equal(read_all(reader, data), np.float32([0.375, -0.5]))


@given(sizes=st.lists(st.integers(0, 700), max_size=30), rate=st.sampled_from([16_000, 44_100]))
def test_where_the_bytes_are_cut_does_not_matter(sizes: list[int], rate: int) -> None:
    data = np.random.default_rng(0).integers(-9000, 9000, (2000, 2), dtype="<i2").tobytes()

    def reader() -> PcmReader:
        return PcmReader("x", sample_rate_hz=rate, num_channels=2)

    whole = read_all(reader(), data)
    assert abs(len(whole) - 2000 * 16_000 / rate) < 2
    np.testing.assert_array_equal(read_all(reader(), data, sizes), whole)


def test_half_a_sample_at_the_end_is_left_out() -> None:
    reader = PcmReader("x", sample_rate_hz=16_000)
    assert len(read_all(reader, b"\0\0\0\0\0")) == 2


@pytest.mark.parametrize("data", [b"", b"\0"])
def test_no_sample_at_all_is_an_error(data: bytes) -> None:
    with pytest.raises(AudioError, match="pipe: holds no samples"):
        read_all(PcmReader("pipe", sample_rate_hz=16_000), data)


def test_a_file_with_a_header_is_no_noise_to_transcribe() -> None:
    with pytest.raises(AudioError, match=r"file with a header.*ffmpeg"):
        PcmReader("stdin", sample_rate_hz=16_000).read(b"RIFF\x24\0\0\0WAVE")


def test_a_later_block_may_look_like_a_header() -> None:
    reader = PcmReader("stdin", sample_rate_hz=16_000)
    reader.read(b"\0\0")
    assert len(reader.read(b"RIFF")) == 2


def test_the_wrong_float_format_is_noticed() -> None:
    reader = PcmReader("stdin", sample_rate_hz=16_000, pcm_format="f32le")
    with pytest.raises(AudioError, match=r"not f32le.*s16le"):
        reader.read(np.float32([0.0, np.nan]).tobytes())


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="num_channels must be between 1 and 16, but is 0"):
        PcmReader("x", sample_rate_hz=16_000, num_channels=0)
    with pytest.raises(InputError, match=r"pcm_format must be one of s16le.*'u8'"):
        PcmReader("x", sample_rate_hz=16_000, pcm_format="u8")  # type: ignore[arg-type]
    with pytest.raises(AudioError, match="sample rate must be between"):
        PcmReader("x", sample_rate_hz=16)
