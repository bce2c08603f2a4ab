"""`Diarizer`: tracks of windows to speakers of recordings."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import LAYER_NORM_CONFIG
from transformers import Wav2Vec2FeatureExtractor

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.data.speaker_turns import label_frames
from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.inference.diarization import Diarization, DiarizationSettings
from wav2vec2_conformer.inference.diarizer import Diarizer
from wav2vec2_conformer.inference.frame_probabilities import (
    FrameProbabilities,
    load_frame_classifier,
)
from wav2vec2_conformer.inference.transcript import Failure
from wav2vec2_conformer.models.audio_frame_classification import (
    Wav2Vec2ConformerForAudioFrameClassification,
)
from wav2vec2_conformer.nn.powerset import find_marginals

RATE_HZ = 16_000
FRAME_S = 0.02
TONES_HZ = (300.0, 900.0, 2_700.0)
SPEECH: dict[str, Any] = {
    "id2label": {0: "speech"},
    "label2id": {"speech": 0},
    "problem_type": "multi_label_classification",
}
TWO_SPEAKERS: dict[str, Any] = {
    "num_labels": 2,
    "problem_type": "multi_label_classification",
    "permutation_invariant_loss": True,
}


def make_model(**config: Any) -> Wav2Vec2ConformerForAudioFrameClassification:
    """Return a tiny random model whose probabilities vary."""
    torch.manual_seed(0)
    model = Wav2Vec2ConformerForAudioFrameClassification(
        Wav2Vec2ConformerConfig(**LAYER_NORM_CONFIG, **config)
    ).eval()
    torch.nn.init.normal_(model.classifier.weight)
    return model


class ToneVerifier:
    """Knows a voice by its tone. Counts the voices that it has heard."""

    threshold = 0.9
    embedder = SimpleNamespace(sample_rate_hz=RATE_HZ)

    def __init__(self) -> None:
        self.num_voices = 0

    def embed_many(
        self, sources: Iterable[np.ndarray], *, sample_rate_hz: int
    ) -> Iterator[np.ndarray]:
        for audio in sources:
            self.num_voices += 1
            spectrum = np.abs(np.fft.rfft(audio))
            hz = np.fft.rfftfreq(audio.size, 1 / sample_rate_hz)
            bands = [spectrum[abs(hz - tone) < 100].sum() for tone in TONES_HZ]
            vector = np.array([*bands, 0.2 * sum(bands)], dtype=np.float32)
            yield vector / max(np.linalg.norm(vector), 1e-9)


def hum(*spans: tuple[float, float, int], duration_s: float) -> np.ndarray:
    """Return a recording in which speakers hum their tones from start to end."""
    time = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    waveform = np.zeros(time.size)
    for start_s, end_s, speaker in spans:
        inside = (time >= start_s) & (time < end_s)
        waveform += 0.1 * inside * np.sin(2 * np.pi * TONES_HZ[speaker] * time)
    return waveform.astype(np.float32)


def make_diarizer(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], swaps: bool = False, **options: Any
) -> tuple[Diarizer, ToneVerifier]:
    """Return a diarizer whose model hears tones; `swaps` its tracks in every second window."""
    model, verifier = make_model(**config), ToneVerifier()
    diarizer = Diarizer(model, Wav2Vec2FeatureExtractor(do_normalize=False), verifier, **options)
    num_tracks = model.num_targets

    def run(windows: list[Any], **_options: int) -> Iterator[tuple[int, np.ndarray]]:
        for position in reversed(range(len(windows))):
            window = windows[position]
            frames = window.samples[: window.samples.size // 320 * 320].reshape(-1, 320)
            spectra = np.abs(np.fft.rfft(frames, axis=1))
            heard = np.stack([spectra[:, round(hz / 50)] > 4 for hz in TONES_HZ], axis=1)
            if num_tracks == 1:
                heard = heard.any(axis=1, keepdims=True)
            else:  # the speakers of this window alone
                heard = heard[:, np.argsort(~heard.any(axis=0), kind="stable")][:, :num_tracks]
            if swaps and window.start_frame // 250 % 2:
                heard = heard[:, ::-1]
            kept = heard[window.first_frame : window.end_frame]
            yield position, np.where(kept, 0.9, 0.1).astype(np.float32)

    monkeypatch.setattr(diarizer._probabilities, "run", run)
    return diarizer, verifier


def agree(result: Diarization, spans: list[tuple[float, float, int]]) -> float:
    """Return the part of the frames in which the result has the right speakers."""
    names = list(dict.fromkeys(speaker for _, _, speaker in sorted(spans)))
    num_frames = round(result.duration_s / FRAME_S)
    truth = np.zeros((num_frames, max(len(names), len(result.speakers))), dtype=int)
    for start_s, end_s, speaker in spans:
        truth[round(start_s / FRAME_S) : round(end_s / FRAME_S), names.index(speaker)] = 1
    found = label_frames(result.turns, result.speakers, num_frames=num_frames, frame_s=FRAME_S)
    missing = truth.shape[1] - found.shape[1]
    return float((np.pad(found, ((0, 0), (0, missing))) == truth).all(axis=1).mean())


LONG = [(0.5, 6, 0), (6.5, 13, 1), (12, 18, 0), (19, 23, 1), (23.5, 29, 0)]


def test_speakers_of_windows_are_joined_by_their_voices(monkeypatch: pytest.MonkeyPatch) -> None:
    diarizer, verifier = make_diarizer(monkeypatch, TWO_SPEAKERS, swaps=True)
    result = diarizer.diarize(hum(*LONG, duration_s=30), RATE_HZ)
    assert result.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert agree(result, LONG) > 0.98
    assert verifier.num_voices >= 4


def test_overlapped_speech_is_of_both_speakers(monkeypatch: pytest.MonkeyPatch) -> None:
    diarizer, _ = make_diarizer(monkeypatch, TWO_SPEAKERS)
    spans = [(0.5, 4.0, 0), (3.0, 6.0, 1)]
    result = diarizer.diarize(hum(*spans, duration_s=8), RATE_HZ)
    assert agree(result, spans) > 0.98


def test_a_recording_of_one_window_needs_no_voices(monkeypatch: pytest.MonkeyPatch) -> None:
    diarizer, verifier = make_diarizer(monkeypatch, TWO_SPEAKERS)
    result = diarizer.diarize(hum((1, 3, 0), (4, 6, 1), duration_s=8), RATE_HZ)
    assert len(result.speakers) == 2
    assert verifier.num_voices == 0
    one = diarizer.diarize(hum((1, 3, 0), (4, 6, 1), duration_s=8), RATE_HZ, num_speakers=1)
    assert one.speakers == ("SPEAKER_00",)


def test_a_model_of_speech_alone_finds_speakers_by_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    diarizer, verifier = make_diarizer(monkeypatch, SPEECH)
    spans = [(0, 9, 0), (9, 15, 1), (15.5, 24, 2), (24, 30, 0)]
    result = diarizer.diarize(hum(*spans, duration_s=30), RATE_HZ)
    assert len(result.speakers) == 3
    assert agree(result, spans) > 0.9  # changes are found to half a piece
    assert 40 <= verifier.num_voices <= 44  # 40 steps, of which windows part a few


@pytest.mark.parametrize(
    ("options", "allowed"),
    [({"num_speakers": 2}, {2}), ({"max_speakers": 1}, {1}), ({"min_speakers": 4}, {4, 5, 6})],
)
def test_the_number_of_speakers_can_be_given(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, int], allowed: set[int]
) -> None:
    diarizer, _ = make_diarizer(monkeypatch, SPEECH)
    waveform = hum((0, 9, 0), (9, 15, 1), (15.5, 24, 2), duration_s=25)
    result = diarizer.diarize(waveform, RATE_HZ, **options)
    assert len(result.speakers) in allowed


def test_speech_of_anyone_has_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    diarizer, verifier = make_diarizer(monkeypatch, SPEECH, detects_speech=True)
    result = diarizer.diarize(hum((1, 3, 0), (3, 5, 1), duration_s=8), RATE_HZ)
    [turn] = result.turns
    assert (turn.speaker, turn.start_s, turn.end_s) == ("speech", 1.0, 5.0)
    assert verifier.num_voices == 0


def test_silence_has_no_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    for config in (SPEECH, TWO_SPEAKERS):
        diarizer, _ = make_diarizer(monkeypatch, config)
        for duration_s in (2.0, 25.0):
            result = diarizer.diarize(np.zeros(round(duration_s * RATE_HZ), np.float32), RATE_HZ)
            assert (result.turns, result.duration_s) == ((), duration_s)


def test_short_turns_are_dropped_and_short_gaps_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = DiarizationSettings(min_speech_s=0.5, min_silence_s=0.6)
    diarizer, _ = make_diarizer(monkeypatch, TWO_SPEAKERS, settings=settings)
    waveform = hum((1, 2, 0), (2.4, 3, 0), (5, 5.3, 1), duration_s=8)
    assert [(t.start_s, t.end_s) for t in diarizer.diarize(waveform, RATE_HZ).turns] == [(1.0, 3.0)]


def test_company_and_batches_do_not_change_a_result() -> None:
    model, verifier = make_model(**TWO_SPEAKERS), ToneVerifier()
    diarizer = Diarizer(model, Wav2Vec2FeatureExtractor(), verifier, window_s=4.0)
    clips = [hum((0, 2, i % 3), duration_s=3 + 2 * i) + 0.01 * i for i in range(3)]
    together = list(diarizer.diarize_many(clips, sample_rate_hz=RATE_HZ, batch_seconds=30))
    assert any(isinstance(result, Diarization) and result.turns for result in together)
    for clip, result in zip(clips, together, strict=True):
        assert diarizer.diarize(clip, RATE_HZ, batch_seconds=1) == result


def test_a_failing_input_does_not_stop_the_others(tmp_path: Path) -> None:
    diarizer = Diarizer(make_model(**SPEECH), Wav2Vec2FeatureExtractor(), ToneVerifier())
    missing, found = diarizer.diarize_many(
        [tmp_path / "no.wav", np.zeros(8_000, np.float32)], sample_rate_hz=RATE_HZ
    )
    assert isinstance(missing, Failure)
    assert isinstance(found, Diarization)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"num_labels": 3, "problem_type": "multi_label_classification"}, torch.sigmoid),
        ({"num_labels": 3}, torch.sigmoid),
        (
            {"num_labels": 3, "problem_type": "single_label_classification"},
            lambda logits: logits.softmax(dim=-1),
        ),
    ],
)
@pytest.mark.parametrize("use_weighted_layer_sum", [False, True])
def test_probabilities_are_of_the_models_own_logits(
    config: dict[str, Any], expected: Any, use_weighted_layer_sum: bool
) -> None:
    model = make_model(**config, use_weighted_layer_sum=use_weighted_layer_sum)
    probabilities = FrameProbabilities(
        model, Wav2Vec2FeatureExtractor(), window_s=4.0, context_s=0.5
    )
    waveform = hum((0, 1, 0), (0.5, 2, 1), duration_s=2)
    windows = list(probabilities.frames.cut([waveform]))
    [(_, probs)] = probabilities.run(windows, batch_samples=100_000)
    inputs = Wav2Vec2FeatureExtractor()(waveform, sampling_rate=RATE_HZ, return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs).logits[0]
    np.testing.assert_allclose(probs, expected(logits).numpy(), atol=1e-5)


def test_sets_of_speakers_become_probabilities_of_each() -> None:
    model = make_model(num_labels=7, max_simultaneous_speakers=2, permutation_invariant_loss=True)
    run = {}
    for detects_speech in (False, True):
        probabilities = FrameProbabilities(
            model,
            Wav2Vec2FeatureExtractor(),
            window_s=4.0,
            context_s=0.5,
            detects_speech=detects_speech,
        )
        windows = list(probabilities.frames.cut([hum((0, 1, 0), (0.5, 2, 1), duration_s=2)]))
        [(_, run[detects_speech])] = probabilities.run(windows, batch_samples=100_000)
        logits = torch.from_numpy(
            next(iter(probabilities.frames.run(windows, batch_samples=10**6)))[1][0]
        )
    log_probs = model.classifier(logits).log_softmax(dim=-1).detach()
    sets = model.powerset[log_probs.argmax(dim=1)].numpy()
    assert ((run[False] >= 0.5) == sets).all()
    marginals = find_marginals(log_probs[None], model.powerset)[0].numpy()
    is_kept = (marginals >= 0.5) == sets
    np.testing.assert_allclose(run[False][is_kept], marginals[is_kept], atol=2e-4)
    np.testing.assert_allclose(run[True][:, 0], 1 - log_probs[:, 0].exp(), atol=1e-5)


def test_named_labels_are_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {0: "music", 1: "speech"}
    config = {"id2label": names, "label2id": {name: i for i, name in names.items()}}
    diarizer, _ = make_diarizer(monkeypatch, config)
    result = diarizer.diarize(hum((1, 3, 0), (5, 6, 1), duration_s=8), RATE_HZ)
    assert [(turn.speaker, turn.start_s) for turn in result.turns] == [
        ("music", 1.0),
        ("speech", 5.0),
    ]


def test_a_model_without_speech_cannot_detect_it() -> None:
    names = {0: "dog", 1: "cat"}
    model = make_model(id2label=names, label2id={name: i for i, name in names.items()})
    with pytest.raises(InputError, match="dog, cat: none of them is speech"):
        Diarizer(model, Wav2Vec2FeatureExtractor(), detects_speech=True)


def test_what_does_not_fit_is_refused() -> None:
    model, extractor = make_model(**TWO_SPEAKERS), Wav2Vec2FeatureExtractor()
    with pytest.raises(InputError, match=r"takes a verifier .* but got none"):
        Diarizer(model, extractor)
    slow = SimpleNamespace(threshold=0.5, embedder=SimpleNamespace(sample_rate_hz=8_000))
    with pytest.raises(InputError, match="but got one for 8000 Hz"):
        Diarizer(model, extractor, slow)
    diarizer = Diarizer(model, extractor, ToneVerifier())
    for options in (
        {"num_speakers": 2, "max_speakers": 3},
        {"max_speakers": 0},
        {"batch_seconds": 0},
    ):
        with pytest.raises(InputError):
            diarizer.diarize_many([], **options)


def test_a_checkpoint_is_loaded_with_its_settings(tmp_path: Path, tiny_checkpoint: Path) -> None:
    make_model(**SPEECH).save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    DiarizationSettings(onset=0.8, offset=0.6).write(tmp_path)
    diarizer = Diarizer.from_pretrained(tmp_path, embedding_model=tiny_checkpoint, device="cpu")
    assert diarizer.settings.onset == 0.8
    assert diarizer.finds_speakers
    given = Diarizer.from_pretrained(
        tmp_path, device="cpu", settings=DiarizationSettings(), detects_speech=True
    )
    assert (given.settings.onset, given.finds_speakers) == (0.5, False)


def test_a_checkpoint_of_another_task_is_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="has no head for frames"):
        load_frame_classifier(tiny_checkpoint, device="cpu", compute_type="float32")
