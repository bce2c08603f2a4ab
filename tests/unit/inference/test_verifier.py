"""Decisions about speakers, on a model that is random: what matters is what is done with it."""

import json
from pathlib import Path

import numpy as np
import pytest

from wav2vec2_conformer.errors import AudioError, CheckpointError, InputError
from wav2vec2_conformer.inference.embedder import Embedder
from wav2vec2_conformer.inference.score_normalization import ScoreNormalization
from wav2vec2_conformer.inference.speaker_store import SpeakerStore, Voice, read_speakers
from wav2vec2_conformer.inference.transcript import Failure
from wav2vec2_conformer.inference.verification_settings import VerificationSettings
from wav2vec2_conformer.inference.verifier import (
    DEFAULT_NORMALIZED_THRESHOLD,
    DEFAULT_THRESHOLD,
    Verifier,
    to_unit,
)

RATE_HZ = 16_000


def buzz(pitch_hz: float, duration_s: float = 0.5) -> np.ndarray:
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)


@pytest.fixture
def embedder(tiny_checkpoint: Path) -> Embedder:
    return Embedder.from_pretrained(tiny_checkpoint, layer=1, device="cpu")


@pytest.fixture
def checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy that may hold settings."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for path in tiny_checkpoint.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


def test_the_score_is_the_cosine_of_the_embeddings(embedder: Embedder) -> None:
    first, second = (embedder.embed(buzz(pitch_hz), RATE_HZ).vector for pitch_hz in (110, 700))
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    result = Verifier(embedder, threshold=0.5).verify(buzz(110), buzz(700), sample_rate_hz=RATE_HZ)
    assert result.score == pytest.approx(cosine, abs=1e-5)


def test_a_pair_is_accepted_at_the_threshold_and_not_above(embedder: Embedder) -> None:
    pair = (buzz(110), buzz(700))
    score = Verifier(embedder, threshold=0.5).verify(*pair, sample_rate_hz=RATE_HZ).score
    for threshold, is_same in [(score, True), (float(np.nextafter(score, 2)), False)]:
        verifier = Verifier(embedder, threshold=threshold)
        assert verifier.verify(*pair, sample_rate_hz=RATE_HZ).is_same_speaker is is_same


def test_a_stored_layer_and_threshold_are_used(checkpoint: Path) -> None:
    VerificationSettings(layer=2, threshold=0.7, normalized_threshold=3.0).write(checkpoint)
    verifier = Verifier.from_pretrained(checkpoint, device="cpu")
    assert (verifier.embedder.layer, verifier.threshold) == (2, 0.7)
    assert not verifier.has_default_threshold
    other_layer = Verifier.from_pretrained(checkpoint, layer=1, device="cpu")
    assert (other_layer.threshold, other_layer.has_default_threshold) == (DEFAULT_THRESHOLD, True)
    named = Verifier.from_pretrained(checkpoint, layer=1, threshold=0.2, device="cpu")
    assert (named.threshold, named.has_default_threshold) == (0.2, False)


def test_without_settings_a_low_layer_and_a_default_are_used(checkpoint: Path) -> None:
    verifier = Verifier.from_pretrained(checkpoint, device="cpu")
    assert (verifier.embedder.layer, verifier.threshold) == (1, DEFAULT_THRESHOLD)
    assert verifier.has_default_threshold


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"level": 2}', '{"layer": "2"}', '{"threshold": "high"}']
)
def test_damaged_settings_are_refused(checkpoint: Path, content: str) -> None:
    (checkpoint / "verification.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"verification\.json: "):
        Verifier.from_pretrained(checkpoint, device="cpu")


def test_a_voice_is_the_mean_of_unit_vectors_and_can_grow(embedder: Embedder) -> None:
    verifier = Verifier(embedder, threshold=0.5)
    clips = [buzz(110), 0.1 * buzz(200, 0.8), buzz(300)]
    units = [to_unit(embedder.embed(clip, RATE_HZ).vector) for clip in clips]
    voice = verifier.enroll(clips, sample_rate_hz=RATE_HZ)
    np.testing.assert_allclose(voice.vector, np.mean(units, axis=0), atol=1e-5)
    first = verifier.enroll(clips[:1], sample_rate_hz=RATE_HZ)
    grown = first.merge(verifier.enroll(clips[1:], sample_rate_hz=RATE_HZ))
    assert grown.num_clips == voice.num_clips == 3
    np.testing.assert_allclose(grown.vector, voice.vector, atol=1e-5)
    with pytest.raises(InputError, match="at least one recording"):
        verifier.enroll([])


def test_the_nearest_known_speaker_is_found_or_none(embedder: Embedder, tmp_path: Path) -> None:
    verifier = Verifier(embedder, threshold=0.5)
    voices = {
        name: verifier.enroll([buzz(pitch_hz)], sample_rate_hz=RATE_HZ)
        for name, pitch_hz in [("low", 110), ("high", 3000)]
    }
    SpeakerStore(embedder.fingerprint, voices).write(tmp_path / "speakers.safetensors")
    store = read_speakers(tmp_path / "speakers.safetensors", embedder.fingerprint)
    assert {name: voice.num_clips for name, voice in store.voices.items()} == {"low": 1, "high": 1}
    result = verifier.identify(buzz(3000, 0.8), store, sample_rate_hz=RATE_HZ)
    assert result.speaker == "high"
    assert [name for name, _ in result.scores] == ["high", "low"]
    assert result.scores[0][1] > result.scores[1][1]
    strict = Verifier(embedder, threshold=1.1)
    assert strict.identify(buzz(3000), store, sample_rate_hz=RATE_HZ).speaker is None
    results = list(
        verifier.identify_many(["missing.wav", buzz(110)], store, sample_rate_hz=RATE_HZ)
    )
    assert isinstance(results[0], Failure)
    assert results[1].speaker == "low"


def test_voices_of_another_layer_are_refused(embedder: Embedder, tmp_path: Path) -> None:
    path = tmp_path / "speakers.safetensors"
    store = SpeakerStore("another", {"a": Voice(np.ones(16, np.float32), 1)})
    store.write(path)
    with pytest.raises(InputError, match="another model or layer"):
        read_speakers(path, embedder.fingerprint)
    with pytest.raises(InputError, match="another model or layer"):
        Verifier(embedder, threshold=0.5).identify(buzz(110), store, sample_rate_hz=RATE_HZ)


def test_a_file_that_is_no_store_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no store of speakers"):
        read_speakers(tiny_checkpoint / "model.safetensors", "x")
    with pytest.raises(InputError, match="there is no such store"):
        read_speakers(tmp_path / "missing.safetensors", "x")
    (tmp_path / "damaged").write_text(json.dumps([1] * 20))
    with pytest.raises(InputError, match="cannot be read as a store"):
        read_speakers(tmp_path / "damaged", "x")


def test_a_normalized_score_counts_deviations_above_the_nearest_strangers() -> None:
    rng = np.random.default_rng(0)
    cohort = np.stack([to_unit(row) for row in rng.normal(size=(9, 4)).astype(np.float32)])
    first, second = (to_unit(row) for row in rng.normal(size=(2, 4)).astype(np.float32))
    expected = 0.0
    for vector in (first, second):
        top = sorted(float(np.dot(vector, other)) for other in cohort)[-5:]
        mean = sum(top) / 5
        deviation = (sum((value - mean) ** 2 for value in top) / 5) ** 0.5
        expected += (0.3 - mean) / deviation / 2
    normalization = ScoreNormalization(cohort, top_speakers=5)
    assert normalization.normalize(0.3, first, second) == pytest.approx(expected, rel=1e-4)


def test_a_cohort_changes_scores_and_threshold(embedder: Embedder) -> None:
    plain = Verifier(embedder)
    pitches_hz = (150, 400, 1200)
    voices = {
        str(pitch_hz): plain.enroll([buzz(pitch_hz)], sample_rate_hz=RATE_HZ)
        for pitch_hz in pitches_hz
    }
    verifier = Verifier(embedder, cohort=SpeakerStore(embedder.fingerprint, voices))
    assert (plain.threshold, verifier.threshold) == (
        DEFAULT_THRESHOLD,
        DEFAULT_NORMALIZED_THRESHOLD,
    )
    pair = (buzz(110), buzz(3000))
    vectors = list(plain.embed_many(pair, sample_rate_hz=RATE_HZ))
    cohort = np.stack([to_unit(voice.vector) for voice in voices.values()])
    expected = ScoreNormalization(cohort).normalize(plain.score(*vectors), *vectors)
    assert verifier.verify(*pair, sample_rate_hz=RATE_HZ).score == pytest.approx(expected, rel=1e-4)


def test_a_cohort_of_one_speaker_is_refused(embedder: Embedder) -> None:
    voice = Voice(np.ones(16, np.float32), 1)
    with pytest.raises(InputError, match="at least 2 speakers"):
        Verifier(embedder, cohort=SpeakerStore(embedder.fingerprint, {"a": voice}))


def test_what_cannot_be_compared_is_refused(tiny_checkpoint: Path, embedder: Embedder) -> None:
    with pytest.raises(InputError, match="name one layer"):
        Verifier(Embedder.from_pretrained(tiny_checkpoint, layer="all", device="cpu"))
    with pytest.raises(AudioError, match="shorter than one frame"):
        Verifier(embedder).verify(buzz(110), buzz(110, 0.01), sample_rate_hz=RATE_HZ)
