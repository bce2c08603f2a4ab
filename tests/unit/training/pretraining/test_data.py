"""Speech without transcripts: which files, which part of them, and batches with masks."""

import json
import logging
import pickle

import numpy as np
import pytest
import soundfile
import torch

from wav2vec2_conformer.data.batching import Draw
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.errors import AudioError, ManifestError
from wav2vec2_conformer.training.pretraining.data import (
    FrameCount,
    PretrainingCollator,
    UntranscribedDataset,
    read_untranscribed,
    select_long_enough,
)
from wav2vec2_conformer.training.pretraining.draws import Masking

RATE_HZ = 16_000
RELEASED = FrameCount((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))


@pytest.fixture
def ramp(tmp_path):
    """Four seconds of samples that tell their place."""
    path = tmp_path / "ramp.wav"
    soundfile.write(path, np.linspace(0, 0.99, 4 * RATE_HZ), RATE_HZ, subtype="FLOAT")
    return path


def build(path, **options):
    return UntranscribedDataset(
        [Utterance(path, 4.0, "")] * 3, Masking(num_distractors=5), RELEASED, **options
    )


def place_s(waveform):
    """Where in the ramp a waveform begins."""
    return float(waveform[0]) / 0.99 * 4


@pytest.mark.parametrize(
    ("num_samples", "num_frames"), [(399, 0), (400, 1), (16_000, 49), (250_000, 781)]
)
def test_frames_of_the_released_models(num_samples, num_frames):
    assert RELEASED(num_samples) == num_frames


@pytest.mark.usefixtures("ramp")
def test_a_folder_is_all_audio_in_it(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    soundfile.write(tmp_path / "deep" / "er" / "b.flac", np.zeros(8_000), 8_000)
    (tmp_path / "deep" / "notes.txt").write_text("not audio")
    utterances = read_untranscribed(tmp_path)
    assert [(u.audio_path.name, u.duration_s) for u in utterances] == [
        ("b.flac", 1.0),
        ("ramp.wav", 4.0),
    ]
    assert all(u.text == "" for u in utterances)


def test_a_manifest_needs_no_text(tmp_path, ramp):
    manifest = tmp_path / "some.jsonl"
    manifest.write_text(json.dumps({"audio_filepath": ramp.name, "duration": 4.0}) + "\n")
    assert [u.audio_path for u in read_untranscribed(manifest)] == [ramp]


def test_a_folder_without_audio_is_read_as_elsewhere(tmp_path, ramp):
    kaldi = tmp_path / "kaldi"
    kaldi.mkdir()
    (kaldi / "wav.scp").write_text(f"one {ramp}\n")
    assert [u.audio_path for u in read_untranscribed(kaldi)] == [ramp]


def test_what_a_run_writes_is_no_audio_of_the_folder_around_it(tmp_path, ramp):
    """Or a resumed run would find more than the run found at first."""
    written = tmp_path / "run" / "audio"
    written.mkdir(parents=True)
    (written / "0.wav").write_bytes(ramp.read_bytes())
    assert [u.audio_path for u in read_untranscribed(tmp_path, written)] == [ramp]
    assert len(read_untranscribed(tmp_path)) == 2
    assert len(read_untranscribed(written, written)) == 1  # asked for by name


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"RIFFnothing")
    with pytest.raises(AudioError, match=r"bad\.wav"):
        read_untranscribed(tmp_path)


def test_short_utterances_are_left_out_and_counted(tmp_path, caplog):
    utterances = [Utterance(tmp_path / "x.wav", s, "") for s in (0.5, 1.9, 2.0, 3600.0)]
    with caplog.at_level(logging.INFO, "wav2vec2_conformer"):
        kept = select_long_enough(utterances, 2.0, "training")
    assert [u.duration_s for u in kept] == [2.0, 3600.0]
    assert "2 utterances left out: they are shorter than 2.0 s" in caplog.text
    assert "2 utterances, 1.00 hours" in caplog.text
    with pytest.raises(ManifestError, match=r"as long as min_duration_s = 9.*has 1\.90 s"):
        select_long_enough(utterances[:2], 9, "training")


def test_crops_are_random_and_repeat(ramp):
    dataset = build(ramp, max_duration_s=1.5)
    assert dataset.durations_s == [1.5] * 3
    starts = [place_s(dataset[Draw(e, k)]["waveform"]) for e in range(8) for k in range(3)]
    again = [place_s(dataset[Draw(e, k)]["waveform"]) for e in range(8) for k in range(3)]
    assert starts == again
    assert len({round(s, 3) for s in starts}) == 24
    assert min(starts) < 0.7
    assert 1.8 < max(starts) <= 2.5
    assert len(dataset[0]["waveform"]) == 1.5 * RATE_HZ


def test_crops_are_the_same_from_the_cache(ramp, tmp_path):
    plain, cached = (
        build(ramp, max_duration_s=1.5),
        build(ramp, max_duration_s=1.5, cache_dir=tmp_path / "cache"),
    )
    for draw in (Draw(0, 0), Draw(3, 2)):
        np.testing.assert_allclose(plain[draw]["waveform"], cached[draw]["waveform"], atol=2e-4)
    assert list((tmp_path / "cache").rglob("*.wav"))


def test_a_crop_of_a_part_of_a_file_stays_in_the_part(ramp):
    part = [Utterance(ramp, 2.0, "", offset_s=1.0)]
    dataset = UntranscribedDataset(part, Masking(), RELEASED, max_duration_s=0.5)
    starts = [place_s(dataset[Draw(epoch, 0)]["waveform"]) for epoch in range(20)]
    assert min(starts) > 0.99
    assert max(starts) < 2.51
    assert dataset[0]["utterance_id"] == f"{ramp} at 1.00 s"  # the file may hold an hour


def test_without_a_limit_utterances_are_whole(ramp):
    dataset = build(ramp)
    assert dataset.durations_s == [4.0] * 3
    assert len(dataset[1]["waveform"]) == 4 * RATE_HZ


def test_masks_follow_the_draw_and_fit_the_waveform(ramp):
    dataset = build(ramp, max_duration_s=1.5)
    first, again, other = dataset[Draw(0, 1)], dataset[Draw(0, 1)], dataset[Draw(1, 1)]
    assert first["mask"].shape == (74,)
    assert torch.equal(first["mask"], again["mask"])
    assert torch.equal(first["distractors"], again["distractors"])
    assert not torch.equal(first["mask"], other["mask"])
    assert not torch.equal(first["mask"], build(ramp, max_duration_s=1.5, seed=1)[0]["mask"])


def test_validation_draws_the_same_in_every_epoch(ramp):
    dataset = build(ramp, max_duration_s=1.5, is_fixed=True)
    first, later = dataset[Draw(0, 1)], dataset[Draw(7, 1)]
    assert torch.equal(first["mask"], later["mask"])
    assert np.array_equal(first["waveform"], later["waveform"])


def test_the_data_set_goes_to_other_processes(ramp):
    dataset = build(ramp, max_duration_s=1.5)
    copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301
    assert torch.equal(dataset[0]["mask"], copy[0]["mask"])


def example(num_samples, loudness=1.0):
    mask, distractors = Masking(num_distractors=5).draw(
        RELEASED(num_samples), seed=0, epoch=0, utterance=num_samples
    )
    waveform = loudness * np.random.default_rng(0).normal(3, 1, num_samples).astype(np.float32)
    name = f"{num_samples}.wav"
    return {"waveform": waveform, "mask": mask, "distractors": distractors, "utterance_id": name}


def test_batches():
    batch = PretrainingCollator()([example(32_000), example(16_000, loudness=7.0)])
    assert batch["input_values"].shape == (2, 32_000)
    assert batch["attention_mask"].sum(dim=1).tolist() == [32_000, 16_000]
    assert batch["mask_time_indices"].shape == (2, 99)
    assert not batch["mask_time_indices"][1, 49:].any()
    assert batch["utterance_ids"] == ["32000.wav", "16000.wav"]
    for row, length in enumerate((32_000, 16_000)):
        own = batch["input_values"][row, :length]
        assert own.mean().item() == pytest.approx(0, abs=1e-5)
        assert own.var().item() == pytest.approx(1, abs=1e-3)
    assert (batch["input_values"][1, 16_000:] == 0).all()


def test_distractors_point_into_the_flattened_batch():
    examples = [example(32_000), example(16_000)]
    batch = PretrainingCollator()(examples)
    flat = batch["sampled_negative_indices"]
    assert flat.shape == (2, 99, 5)
    for row in range(2):
        frames = batch["mask_time_indices"][row].nonzero()[:, 0]
        assert torch.equal(
            flat[row, frames] - 99 * row, examples[row]["distractors"][frames].long()
        )
        assert batch["mask_time_indices"].flatten()[flat[row, frames]].all()


def test_an_utterance_is_masked_alike_in_every_batch():
    alone = PretrainingCollator()([example(16_000)])
    among = PretrainingCollator()([example(32_000), example(16_000), example(20_000)])
    assert torch.equal(alone["mask_time_indices"][0], among["mask_time_indices"][1, :49])
    assert torch.equal(
        alone["sampled_negative_indices"][0], among["sampled_negative_indices"][1, :49] - 99
    )


def test_unnormalized():
    one = example(16_000)
    batch = PretrainingCollator(normalize=False)([one])
    assert torch.equal(batch["input_values"][0], torch.from_numpy(one["waveform"]))
