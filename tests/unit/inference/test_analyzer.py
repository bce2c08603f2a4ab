"""Several heads at once give what each gives alone, with one run of a shared encoder."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor

from wav2vec2_conformer.errors import AudioError, InputError
from wav2vec2_conformer.inference import Failure, Transcriber
from wav2vec2_conformer.inference.analyzer import Analyzer
from wav2vec2_conformer.inference.classifier import Classifier
from wav2vec2_conformer.inference.diarizer import Diarizer
from wav2vec2_conformer.models.model import Wav2Vec2ConformerModel
from wav2vec2_conformer.models.sequence_classification import (
    Wav2Vec2ConformerForSequenceClassification,
)

RATE_HZ = 16_000
WINDOWS = {"window_s": 3.0, "context_s": 0.5}


def noise(duration_s: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    loudness = 0.1 * (1 + np.sin(np.arange(round(duration_s * RATE_HZ)) / 3000))
    return (rng.normal(0, 0.1, loudness.size) * loudness).astype(np.float32)


@pytest.fixture(scope="module")
def heads(
    save_head: Callable[..., Path], tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A diarization head on a mean of layers and a classification head on the last one."""
    folder = tmp_path_factory.mktemp("heads")
    return {
        "diarizer": save_head(
            "Wav2Vec2ConformerForAudioFrameClassification",
            tiny_checkpoint,
            folder / "frames",
            num_labels=2,
            id2label={0: "music", 1: "speech"},
            problem_type="multi_label_classification",
            permutation_invariant_loss=False,
            use_weighted_layer_sum=True,
        ),
        "classifier": save_head(
            "Wav2Vec2ConformerForSequenceClassification",
            tiny_checkpoint,
            folder / "labels",
            num_labels=3,
            classifier_proj_size=8,
        ),
    }


@pytest.fixture(scope="module")
def analyzer(tiny_checkpoint: Path, heads: dict[str, Path]) -> Analyzer:
    return Analyzer.from_pretrained(
        tiny_checkpoint, **heads, embedding_model=tiny_checkpoint, device="cpu", **WINDOWS
    )


@pytest.fixture
def encoder_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The number of windows in each run of any encoder."""
    runs: list[int] = []
    encode = Wav2Vec2ConformerModel.encode

    def counted(self: Any, input_values: Any, *arguments: Any, **more: Any) -> Any:
        runs.append(len(input_values))
        return encode(self, input_values, *arguments, **more)

    monkeypatch.setattr(Wav2Vec2ConformerModel, "encode", counted)
    return runs


def test_a_shared_encoder_runs_once(analyzer: Analyzer, encoder_runs: list[int]) -> None:
    assert analyzer.passes == (("transcription", "diarization", "classification"),)
    analyzer.analyze(noise(2.0), RATE_HZ)
    assert encoder_runs == [1]


@pytest.mark.parametrize("duration_s", [2.0, 9.0])
def test_results_are_those_of_separate_runs(
    analyzer: Analyzer, tiny_checkpoint: Path, heads: dict[str, Path], duration_s: float
) -> None:
    waveform = noise(duration_s)
    result = analyzer.analyze(waveform, RATE_HZ, top_k=None)
    alone = Transcriber.from_pretrained(tiny_checkpoint, device="cpu", **WINDOWS)
    transcript = alone.transcribe(waveform, RATE_HZ)
    assert result.transcript.text == transcript.text
    assert len(transcript.words) > 2
    for got, expected in zip(result.transcript.words, transcript.words, strict=True):
        assert (got.text, got.start_s, got.end_s) == (
            expected.text,
            expected.start_s,
            expected.end_s,
        )
        assert got.confidence == pytest.approx(expected.confidence, abs=1e-3)
    diarizer = Diarizer.from_pretrained(
        heads["diarizer"], embedding_model=tiny_checkpoint, device="cpu", **WINDOWS
    )
    assert result.diarization == diarizer.diarize(waveform, RATE_HZ)
    assert result.diarization.turns
    assert result.duration_s == pytest.approx(duration_s)


def test_labels_of_one_window_are_the_classifiers(
    analyzer: Analyzer, heads: dict[str, Path]
) -> None:
    waveform = noise(2.0)
    result = analyzer.analyze(waveform, RATE_HZ, top_k=None).classification
    expected = Classifier.from_pretrained(heads["classifier"], device="cpu").classify(
        waveform, RATE_HZ, top_k=None
    )
    assert result.scores == pytest.approx(expected.scores, abs=1e-5)
    assert list(result.scores) == list(expected.scores)


def test_labels_of_a_long_recording_are_those_of_its_windows(analyzer: Analyzer) -> None:
    result = analyzer.analyze(noise(9.0), RATE_HZ, top_k=None).classification
    assert len(result.windows) > 2
    for before, after in zip(result.windows, result.windows[1:], strict=False):
        assert before.end_s == pytest.approx(after.start_s)
    lengths = [window.end_s - window.start_s for window in result.windows]
    for label, score in result.scores.items():
        mean = np.average([window.scores[label] for window in result.windows], weights=lengths)
        assert score == pytest.approx(mean)


def test_another_encoder_has_a_run_of_its_own(
    tiny_checkpoint: Path, heads: dict[str, Path], tmp_path: Path, encoder_runs: list[int]
) -> None:
    other = Wav2Vec2ConformerForSequenceClassification.from_pretrained(heads["classifier"])
    with torch.no_grad():
        other.wav2vec2_conformer.encoder.layers[0].ffn1.output_dense.weight[0, 0] += 0.5
    other.save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(tmp_path)
    both = Analyzer.from_pretrained(
        tiny_checkpoint,
        diarizer=heads["diarizer"],
        classifier=tmp_path,
        embedding_model=tiny_checkpoint,
        device="cpu",
        **WINDOWS,
    )
    assert both.passes == (("transcription", "diarization"), ("classification",))
    result = both.analyze(noise(2.0), RATE_HZ, top_k=None).classification
    assert encoder_runs == [1, 1]
    expected = Classifier.from_pretrained(tmp_path, device="cpu").classify(
        noise(2.0), RATE_HZ, top_k=None
    )
    assert result.scores == pytest.approx(expected.scores, abs=1e-5)


def test_another_normalization_has_a_run_of_its_own(
    tiny_checkpoint: Path, heads: dict[str, Path], tmp_path: Path
) -> None:
    model = Wav2Vec2ConformerForSequenceClassification.from_pretrained(heads["classifier"])
    model.save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(tmp_path)
    both = Analyzer.from_pretrained(
        tiny_checkpoint, diarizer=None, classifier=tmp_path, device="cpu", **WINDOWS
    )
    assert both.passes == (("transcription",), ("classification",))


def test_without_further_heads_there_is_a_transcript(tiny_checkpoint: Path) -> None:
    alone = Analyzer.from_pretrained(tiny_checkpoint, diarizer=None, device="cpu", **WINDOWS)
    result = alone.analyze(noise(2.0), RATE_HZ)
    assert (result.diarization, result.classification) == (None, None)
    assert {part.speaker for part in result.spoken} == {None}
    assert " ".join(part.segment.text for part in result.spoken) == result.transcript.text


def test_order_is_kept_and_failures_stop_nothing(analyzer: Analyzer) -> None:
    def row(duration_s: float) -> dict[str, Any]:
        return {"array": noise(duration_s), "sampling_rate": RATE_HZ}

    results = list(analyzer.analyze_many([row(5.0), "missing.wav", row(1.0)], batch_seconds=6.0))
    assert [isinstance(result, Failure) for result in results] == [False, True, False]
    assert [results[0].duration_s, results[2].duration_s] == [5.0, 1.0]


def test_less_than_a_frame_is_a_failure_of_the_classifier(analyzer: Analyzer) -> None:
    with pytest.raises(AudioError, match="shorter than a frame"):
        analyzer.analyze(np.zeros(100, np.float32), RATE_HZ)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_seconds": 0.0}, "batch_seconds must be positive"),
        ({"top_k": 0}, "top_k must be at least 1"),
        ({"min_speakers": 3, "max_speakers": 2}, "speakers"),
    ],
)
def test_impossible_arguments_are_refused(
    analyzer: Analyzer, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        analyzer.analyze_many([], **options)
