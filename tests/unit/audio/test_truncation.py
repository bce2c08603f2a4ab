"""A recording that is cut off is used as far as it goes, and the user is told."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wav2vec2_conformer.audio import TruncatedAudioWarning, load_audio
from wav2vec2_conformer.errors import AudioError

FORMATS = [
    ("WAV", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]


def encode(file_format: str, subtype: str) -> bytes:
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000 * 5).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, noise, 16_000, format=file_format, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(("file_format", "subtype"), FORMATS)
def test_the_first_half_is_used_with_a_warning(
    tmp_path: Path, file_format: str, subtype: str
) -> None:
    encoded = encode(file_format, subtype)
    whole = load_audio(encoded)
    half = encoded[: len(encoded) // 2]
    path = tmp_path / f"cut.{file_format.lower()}"
    path.write_bytes(half)
    for source in (path, half):
        with pytest.warns(TruncatedAudioWarning, match="only its first"):
            waveform = load_audio(source)
        assert 0.3 * len(whole) < len(waveform) < 0.6 * len(whole)
        # Not the very end: a lossy decoder fades out what it cannot finish.
        inner = slice(0, len(waveform) - 4_000)
        np.testing.assert_allclose(waveform[inner], whole[inner], atol=1e-4)


@pytest.mark.parametrize(("file_format", "subtype"), FORMATS)
def test_a_whole_file_gives_no_warning(file_format: str, subtype: str) -> None:
    encoded = encode(file_format, subtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load_audio(encoded)) == 16_000 * 5


@pytest.mark.parametrize(("file_format", "subtype"), FORMATS)
def test_every_cut_gives_a_result_or_an_error(file_format: str, subtype: str) -> None:
    encoded = encode(file_format, subtype)
    num_results = 0
    for num_bytes in [*range(0, 200, 7), *np.linspace(200, len(encoded), 20, dtype=int)]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncatedAudioWarning)
            try:
                waveform = load_audio(encoded[:num_bytes])
            except AudioError:
                continue
        assert waveform.size
        assert np.isfinite(waveform).all()
        num_results += 1
    assert num_results > 10


def test_a_wav_written_to_a_pipe_is_not_taken_for_cut() -> None:
    encoded = bytearray(encode("WAV", "PCM_16"))
    for size in (b"\xff\xff\xff\xff", b"\x00\xf0\xff\x7f"):
        encoded[4:8] = encoded[40:44] = size
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(load_audio(bytes(encoded))) == 16_000 * 5


def test_damage_in_the_middle_of_a_flac_keeps_the_part_before() -> None:
    encoded = bytearray(encode("FLAC", "PCM_16"))
    middle = len(encoded) // 2
    encoded[middle : middle + 2_000] = bytes(2_000)
    with pytest.warns(TruncatedAudioWarning, match="damaged"):
        waveform = load_audio(bytes(encoded))
    assert 16_000 < len(waveform) <= 16_000 * 5
