"""`Classifier`: scores do not depend on the company, windows are pieces on their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from transformers import Wav2Vec2FeatureExtractor

from wav2vec2_conformer.errors import AudioError, CheckpointError, InputError
from wav2vec2_conformer.inference import Failure
from wav2vec2_conformer.inference.classification import Classification, keep_best
from wav2vec2_conformer.inference.classifier import Classifier

RATE_HZ = 16_000
LABELS = ["low", "middle", "high"]


def noise(duration_s: float, seed: int = 0) -> np.ndarray:
    """Return noise that is the duller the larger its seed."""
    samples = np.random.default_rng(seed).normal(0, 0.1, round(duration_s * RATE_HZ))
    return np.convolve(samples, np.ones(1 + seed) / 4, "same").astype(np.float32)


@pytest.fixture(scope="module")
def checkpoint(
    save_classifier: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return save_classifier(tmp_path_factory.mktemp("classification"))


@pytest.fixture(scope="module")
def classifier(checkpoint: Path) -> Classifier:
    return Classifier.from_pretrained(checkpoint, device="cpu", window_s=2.0)


def classify(classifier: Classifier, waveform: np.ndarray, **options: Any) -> Classification:
    return classifier.classify(waveform, RATE_HZ, **options)


def test_single_label_scores_are_the_softmax_of_the_models_logits(classifier: Classifier) -> None:
    waveform = noise(1.0)
    result = classify(classifier, waveform)
    inputs = Wav2Vec2FeatureExtractor()(waveform, sampling_rate=RATE_HZ, return_tensors="pt")
    with torch.no_grad():
        expected = classifier.model(**inputs).logits[0].softmax(0).tolist()
    assert result.problem_type == "single_label_classification"
    assert result.scores == pytest.approx(dict(zip(LABELS, expected, strict=True)), abs=1e-5)
    assert sum(result.scores.values()) == pytest.approx(1)
    assert list(result.scores) == sorted(result.scores, key=lambda label: -result.scores[label])
    assert (result.source, result.duration_s) == ("<array>", 1.0)


def test_multi_label_scores_are_sigmoids(
    save_classifier: Callable[..., Path], tmp_path: Path
) -> None:
    folder = save_classifier(tmp_path, problem_type="multi_label_classification")
    classifier = Classifier.from_pretrained(folder, device="cpu")
    waveform = noise(1.0)
    inputs = Wav2Vec2FeatureExtractor()(waveform, sampling_rate=RATE_HZ, return_tensors="pt")
    with torch.no_grad():
        expected = classifier.model(**inputs).logits[0].sigmoid().tolist()
    assert classify(classifier, waveform).scores == pytest.approx(
        dict(zip(LABELS, expected, strict=True)), abs=1e-5
    )


@pytest.mark.parametrize(
    ("labels", "problem_type"), [(["age"], None), (["valence", "arousal"], "regression")]
)
def test_a_regression_gives_its_numbers_in_the_models_order(
    save_classifier: Callable[..., Path],
    tmp_path: Path,
    labels: list[str],
    problem_type: str | None,
) -> None:
    folder = save_classifier(tmp_path, labels, problem_type=problem_type)
    classifier = Classifier.from_pretrained(folder, device="cpu")
    waveform = noise(1.0)
    inputs = Wav2Vec2FeatureExtractor()(waveform, sampling_rate=RATE_HZ, return_tensors="pt")
    with torch.no_grad():
        expected = classifier.model(**inputs).logits[0].tolist()
    result = classify(classifier, waveform, top_k=1)
    assert result.problem_type == "regression"
    assert list(result.scores) == labels
    assert list(result.scores.values()) == pytest.approx(expected, abs=1e-4)


def test_a_batch_gives_what_single_clips_give(classifier: Classifier) -> None:
    clips = [noise(duration_s, seed) for seed, duration_s in enumerate((1.0, 0.3, 5.1, 0.7, 1.9))]
    together = list(classifier.classify_many(clips, sample_rate_hz=RATE_HZ, batch_seconds=30))
    for clip, result in zip(clips, together, strict=True):
        assert isinstance(result, Classification)
        alone = classify(classifier, clip, batch_seconds=0.1)
        assert result.scores == pytest.approx(alone.scores, abs=1e-5)
        assert [w.start_s for w in result.windows] == [w.start_s for w in alone.windows]
        for ours, other in zip(result.windows, alone.windows, strict=True):
            assert ours.scores == pytest.approx(other.scores, abs=1e-5)
    scores = [result.scores["low"] for result in together]
    assert max(scores) - min(scores) > 0.01


def test_a_window_scores_as_the_same_piece_alone(classifier: Classifier) -> None:
    waveform = noise(5.0)
    result = classify(classifier, waveform)
    assert [(w.start_s, w.end_s) for w in result.windows] == [(0, 2), (2, 4), (4, 5)]
    for window in result.windows:
        piece = waveform[int(window.start_s * RATE_HZ) : int(window.end_s * RATE_HZ)]
        assert window.scores == pytest.approx(classify(classifier, piece).scores, abs=1e-5)


def test_the_score_is_the_mean_of_windows_weighted_by_length(classifier: Classifier) -> None:
    result = classify(classifier, noise(5.0))
    for label in LABELS:
        first, second, last = (window.scores[label] for window in result.windows)
        assert result.scores[label] == pytest.approx((2 * first + 2 * second + last) / 5)


def test_windows_overlap_where_the_hop_is_shorter(checkpoint: Path) -> None:
    classifier = Classifier.from_pretrained(checkpoint, device="cpu", window_s=2.0, hop_s=1.5)
    spans = [(w.start_s, w.end_s) for w in classify(classifier, noise(5.0)).windows]
    assert spans == [(0, 2), (1.5, 3.5), (3.0, 5.0)]


def test_what_is_left_below_a_frame_is_no_window(classifier: Classifier) -> None:
    waveform = noise(2.0 + 399 / RATE_HZ)
    assert len(classify(classifier, waveform).windows) == 1
    assert len(classify(classifier, noise(2.0 + 400 / RATE_HZ)).windows) == 2


def test_windows_keep_their_recordings_when_a_group_of_batches_ends(
    classifier: Classifier,
) -> None:
    clips = [noise(7.0, seed) for seed in range(4)]
    # A group is four batches of two seconds: it ends in the middle of recordings.
    results = list(classifier.classify_many(clips, sample_rate_hz=RATE_HZ, batch_seconds=2))
    for clip, result in zip(clips, results, strict=True):
        assert isinstance(result, Classification)
        assert result.duration_s == 7.0
        assert len(result.windows) == 4
        assert result.scores == pytest.approx(classify(classifier, clip).scores, abs=1e-5)


def test_top_k_keeps_the_most_probable(classifier: Classifier) -> None:
    everything = classify(classifier, noise(3.0), top_k=None)
    best = classify(classifier, noise(3.0), top_k=2)
    assert len(everything.scores) == 3
    assert list(best.scores.items()) == list(everything.scores.items())[:2]
    assert all(len(window.scores) == 2 for window in best.windows)
    assert keep_best(everything, 2) == best


def test_failures_stand_in_the_place_of_their_source(
    classifier: Classifier, tmp_path: Path
) -> None:
    good, broken = tmp_path / "good.wav", tmp_path / "broken.wav"
    soundfile.write(good, noise(1.0), RATE_HZ)
    broken.write_text("no audio")
    sources = [broken, good, tmp_path / "missing.wav", good]
    results = list(classifier.classify_many(sources))
    assert [type(result) for result in results] == [
        Failure,
        Classification,
        Failure,
        Classification,
    ]
    assert [result.source for result in results] == [str(source) for source in sources]
    assert isinstance(results[2], Failure)
    assert "no such file" in str(results[2].error)


def test_audio_below_a_frame_is_an_error(classifier: Classifier) -> None:
    with pytest.raises(AudioError, match="20 ms long, which is shorter than a frame"):
        classify(classifier, noise(0.02))


def test_progress_adds_up_to_the_audio(classifier: Classifier) -> None:
    done_s: list[float] = []
    clips = [noise(1.0), noise(3.0)]
    list(classifier.classify_many(clips, sample_rate_hz=RATE_HZ, on_progress=done_s.append))
    assert sum(done_s) == pytest.approx(4.0)


def test_output_that_is_not_finite_is_this_recordings_failure(checkpoint: Path) -> None:
    classifier = Classifier.from_pretrained(checkpoint, device="cpu")
    with torch.no_grad():
        classifier.model.classifier.bias.fill_(float("nan"))
    [result] = classifier.classify_many([noise(1.0)], sample_rate_hz=RATE_HZ)
    assert isinstance(result, Failure)
    assert isinstance(result.error, CheckpointError)
    assert "not finite" in str(result.error)


def test_a_checkpoint_without_a_classification_head_is_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="has no classification head"):
        Classifier.from_pretrained(tiny_checkpoint, device="cpu")


def test_a_checkpoint_without_feature_extractor_is_refused(
    save_classifier: Callable[..., Path], tmp_path: Path
) -> None:
    save_classifier(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json"):
        Classifier.from_pretrained(tmp_path, device="cpu")


def test_labels_of_the_same_name_are_refused(
    save_classifier: Callable[..., Path], tmp_path: Path
) -> None:
    folder = save_classifier(tmp_path)
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"middle"', '"low"'))
    with pytest.raises(CheckpointError, match="names several outputs low"):
        Classifier.from_pretrained(folder, device="cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_s": 0.01}, "window_s must be long enough"),
        ({"window_s": 1.0, "hop_s": 2.0}, "hop_s is 2 and window_s is 1"),
        ({"hop_s": 0.0}, "hop_s must be positive"),
        ({"compute_type": "int3"}, "compute_type must be one of"),
    ],
)
def test_arguments_out_of_range_are_refused(
    checkpoint: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Classifier.from_pretrained(checkpoint, **options)


@pytest.mark.parametrize("options", [{"top_k": 0}, {"batch_seconds": 0.0}])
def test_numbers_that_are_not_positive_are_refused(
    classifier: Classifier, options: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="must be"):
        classifier.classify_many([], **options)
