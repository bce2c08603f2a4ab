"""A part of a file is the same samples as that part of the whole file."""

import numpy as np
import pytest
import soundfile

from wav2vec2_conformer.audio.loading import load_audio
from wav2vec2_conformer.data.clip import load_segment, load_utterance
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.errors import AudioError


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_segment_is_that_part_of_the_file(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    stereo = np.random.default_rng(0).normal(0, 0.1, (32_000, 2))
    soundfile.write(path, stereo, 16_000)
    whole = load_audio(path)
    part = load_utterance(Utterance(path, 0.5, "", offset_s=1.25))
    np.testing.assert_array_equal(part, whole[20_000:28_000])
    np.testing.assert_array_equal(load_utterance(Utterance(path, 9.0, "")), whole)
    end = load_segment(path, 1.5, 99.0)
    np.testing.assert_array_equal(end, whole[24_000:])
    with pytest.raises(AudioError, match=r"ends at .* s, before the utterance begins \(5.0 s\)"):
        load_segment(path, 5.0, 1.0)


def test_segment_is_resampled(tmp_path, make_clip):
    path = make_clip(tmp_path / "a.wav", 2.0, 44_100, hz=1000.0)
    part = load_segment(path, 0.5, 1.0)
    assert len(part) == 16_000
    assert np.argmax(np.abs(np.fft.rfft(part))) == pytest.approx(1000, abs=1)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"none\.wav"):
        load_segment(tmp_path / "none.wav", 0.5, 1.0)
