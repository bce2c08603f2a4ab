"""Utterances come with their samples; augmentation and cache are repeatable."""

import os
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from wav2vec2_conformer.data.augmentation import Augmentation
from wav2vec2_conformer.data.batching import Draw
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.speech_dataset import SpeechDataset
from wav2vec2_conformer.errors import AudioError, InputError


@pytest.fixture
def clips(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for i in range(3):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, 0.3 * rng.standard_normal(4000 + i).clip(-3, 3), 16_000)
        paths.append(path)
    return [whole(path) for path in paths]


def whole(path):
    return Utterance(audio_path=path, duration_s=0.25, text="")


TARGETS = [[5, 6], [7], [8, 8, 9]]


def test_item_holds_samples_and_targets(clips):
    item = SpeechDataset(clips, TARGETS)[2]
    np.testing.assert_array_equal(
        item["input_values"], soundfile.read(clips[2].audio_path, dtype="float32")[0]
    )
    assert item["labels"].tolist() == [8, 8, 9]
    assert item["labels"].dtype == np.int64


def test_augmentation_depends_on_seed_epoch_and_index_alone(clips):
    def samples(draw, seed=0):
        dataset = SpeechDataset(
            [clips[0]] * 3, TARGETS, augmentation=Augmentation(0.1, 6.0), seed=seed
        )
        return dataset[draw]["input_values"].tobytes()

    assert samples(Draw(1, 2)) == samples(Draw(1, 2))
    variants = {samples(Draw(1, 2)), samples(Draw(2, 2)), samples(Draw(1, 1))}
    assert len(variants | {samples(Draw(1, 2), seed=1)}) == 4


def test_cache_gives_the_samples_again_without_the_file_being_decoded(clips, tmp_path, monkeypatch):
    cached = SpeechDataset(clips, TARGETS, cache_dir=tmp_path / "cache")
    first = cached[0]["input_values"]
    decoded = SpeechDataset(clips, TARGETS)[0]["input_values"]
    np.testing.assert_allclose(first, decoded, atol=1e-4)
    monkeypatch.setattr(
        "wav2vec2_conformer.data.speech_dataset.load_utterance",
        lambda utterance: pytest.fail(f"{utterance} was decoded again"),
    )
    np.testing.assert_array_equal(cached[0]["input_values"], first)
    assert [p.suffix for p in (tmp_path / "cache").rglob("*") if p.is_file()] == [".wav"]


def test_changed_file_is_decoded_anew(clips, tmp_path):
    cached = SpeechDataset(clips, TARGETS, cache_dir=tmp_path / "cache")
    assert len(cached[0]["input_values"]) == 4000
    soundfile.write(clips[0].audio_path, np.zeros(500), 16_000)
    os.utime(clips[0].audio_path, ns=(1, 1))
    assert len(cached[0]["input_values"]) == 500


def test_samples_beyond_full_scale_are_clipped_not_wrapped(tmp_path):
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.array([1.5, -1.5] * 300, np.float32), 16_000, subtype="FLOAT")
    cached = SpeechDataset([whole(path)], [[5]], cache_dir=tmp_path / "cache")
    np.testing.assert_array_equal(cached[0]["input_values"], np.array([1, -1] * 300))


def test_damaged_audio_is_named_and_leaves_no_cache_entry(tmp_path):
    path = tmp_path / "bad.wav"
    path.write_bytes(b"no audio at all")
    with pytest.raises(AudioError, match=r"bad\.wav"):
        SpeechDataset([whole(path)], [[5]], cache_dir=tmp_path / "cache")[0]
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_different_numbers_of_files_and_targets_are_refused(clips):
    with pytest.raises(InputError, match="3 utterances but 1 targets"):
        SpeechDataset(clips, [[5]])


@pytest.mark.parametrize("has_cache", [False, True])
def test_a_part_of_a_file_is_that_part(clips, tmp_path, has_cache):
    parts = [replace(clips[0], offset_s=start, duration_s=0.05) for start in (0.1, 0.15)]
    cache_dir = tmp_path / "cache" if has_cache else None
    dataset = SpeechDataset(parts, TARGETS[:2], cache_dir=cache_dir)
    samples = soundfile.read(clips[0].audio_path, dtype="float32")[0]
    for index, start in enumerate((1600, 2400)):
        np.testing.assert_allclose(
            dataset[index]["input_values"], samples[start : start + 800], atol=1e-4
        )
