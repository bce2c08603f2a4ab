"""A clip is measured as it sounds, and what is wrong becomes part of the result."""

import os

import numpy as np
import pytest
import soundfile

from wav2vec2_conformer.data.clip_check import check_clip, iter_checks
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.errors import AudioError

TIME = np.arange(16_000) / 16_000
TONE = 0.3 * np.sin(2 * np.pi * 440 * TIME)


def write(path, samples, rate_hz=16_000):
    soundfile.write(path, samples, rate_hz)
    return Utterance(path, len(samples) / rate_hz, "x")


def test_clean_clip(tmp_path):
    check = check_clip(write(tmp_path / "a.wav", TONE))
    assert (check.problem, check.damage, check.sample_rate_hz) == (None, None, 16_000)
    assert (check.duration_s, check.clipped_share, check.silent_share) == (1.0, 0.0, 0.0)
    assert check.offset == pytest.approx(0, abs=1e-4)


def test_clipping_silence_and_offset_are_measured(tmp_path):
    half = np.concatenate([np.zeros(8_000), TONE[:8_000]])
    assert check_clip(write(tmp_path / "a.wav", half)).silent_share == pytest.approx(0.5, abs=0.02)
    assert check_clip(write(tmp_path / "b.wav", np.full(9_000, 0.2))).silent_share == 1
    assert check_clip(write(tmp_path / "c.wav", TONE + 0.1)).offset == pytest.approx(0.1, abs=1e-3)
    loud = np.clip(2 * np.sin(2 * np.pi * 440 * TIME), -1, 1)
    assert check_clip(write(tmp_path / "d.wav", loud)).clipped_share == pytest.approx(
        2 / 3, abs=0.02
    )


def test_equal_samples_have_equal_digests_whatever_the_file(tmp_path):
    pcm = np.round(TONE * 32_767).astype(np.int16)
    digests = {
        check_clip(write(tmp_path / name, pcm)).digest for name in ("a.wav", "b.flac", "c.aiff")
    }
    assert len(digests) == 1
    whole = Utterance(tmp_path / "a.wav", 0.5, "", offset_s=0.0)
    assert check_clip(whole).digest not in digests


def test_damage_and_problems_are_reported_not_raised(tmp_path):
    cut = write(tmp_path / "cut.wav", TONE)
    cut.audio_path.write_bytes(cut.audio_path.read_bytes()[:20_000])
    check = check_clip(cut)
    assert check.problem is None
    assert "the header promises" in check.damage
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    assert "bad.wav" in check_clip(Utterance(tmp_path / "bad.wav", 1.0, "")).problem
    assert "none.wav" in check_clip(Utterance(tmp_path / "none.wav", 1.0, "")).problem
    beyond = Utterance(write(tmp_path / "e.wav", TONE).audio_path, 1.0, "", offset_s=5.0)
    assert "ends at 1.00 s" in check_clip(beyond).problem


def test_processes_give_the_same_in_the_same_order(tmp_path):
    utterances = [write(tmp_path / f"{i}.wav", TONE[: 1_000 + 500 * i]) for i in range(20)]
    assert list(iter_checks(utterances, 2)) == [check_clip(u) for u in utterances]


class _Killer:
    """Ends the process that unpickles it, as a decoder that crashes does."""

    def __reduce__(self):
        return os._exit, (1,)


def test_a_process_that_dies_is_named_as_the_cause():
    with pytest.raises(AudioError, match="a process that decodes audio died"):
        list(iter_checks([_Killer()] * 20, 2))
