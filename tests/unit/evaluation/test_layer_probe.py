"""Layers side by side, on vectors of which it is known what they know."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from wav2vec2_conformer.errors import InputError, ManifestError
from wav2vec2_conformer.evaluation.layer_probe import (
    LayerProbeReport,
    ProbedClips,
    assign_folds,
    probe_layers,
)
from wav2vec2_conformer.evaluation.layer_probe_plot import plot_layers

NUM_CLIPS, NUM_SPEAKERS = 120, 12


def make_clips(*, seed: int = 0, speakers: Sequence[str | None] | None = None) -> ProbedClips:
    """Return clips of three layers: noise, the speaker and a little of the label, the label."""
    rng = np.random.default_rng(seed)
    labels = np.arange(NUM_CLIPS) % 3
    of_speaker = np.arange(NUM_CLIPS) % NUM_SPEAKERS
    vectors = rng.normal(0, 1, (NUM_CLIPS, 3, 16)).astype(np.float32)
    vectors[:, 1] += 6 * np.eye(16)[of_speaker] + 0.3 * np.eye(16)[labels]
    vectors[:, 2] += 6 * np.eye(16)[labels]
    return ProbedClips(
        vectors=vectors,
        cepstra=rng.normal(0, 1, (NUM_CLIPS, 40)),
        labels=[f"label {number}" for number in labels],
        speakers=[f"s{number}" for number in of_speaker] if speakers is None else speakers,
    )


@pytest.fixture(scope="module")
def report() -> LayerProbeReport:
    return probe_layers(make_clips(), l2=1e-2)


def test_the_layer_that_knows_is_found(report: LayerProbeReport) -> None:
    scores = {system.name: system for system in report.systems}
    assert list(scores) == ["0", "1", "2", "weighted", "MFCC", "majority"]
    assert report.best == "2"
    assert scores["2"].accuracy > 0.95
    assert scores["weighted"].accuracy > 0.9
    for name in ("0", "MFCC", "majority"):
        assert scores[name].accuracy < 0.55
        assert not scores[name].is_near_best
    assert scores["2"].is_near_best
    assert sum(report.layer_weights) == pytest.approx(1)
    assert max(report.layer_weights) == report.layer_weights[2]


def test_intervals_are_over_speakers_where_there_are_ten(report: LayerProbeReport) -> None:
    assert report.resampled == "speaker"
    for system in report.systems:
        assert system.interval is not None
        assert system.interval.low <= system.accuracy <= system.interval.high


def test_results_repeat(report: LayerProbeReport) -> None:
    assert probe_layers(make_clips(), l2=1e-2) == report


def test_speakers_are_not_in_two_folds() -> None:
    clips = make_clips()
    grouping, folds = assign_folds(clips.labels, clips.speakers, 5)
    assert grouping == "speaker"
    assert set(folds.tolist()) == set(range(5))
    for speaker in set(clips.speakers):
        own = [fold for fold, name in zip(folds, clips.speakers, strict=True) if name == speaker]
        assert len(set(own)) == 1


def test_a_label_with_one_speaker_alone_makes_folds_of_clips() -> None:
    labels = ["a"] * 10 + ["b"] * 10
    grouping, folds = assign_folds(labels, labels, 5)
    assert grouping == "clip"
    for label in (slice(0, 10), slice(10, 20)):
        assert np.bincount(folds[label]).tolist() == [2] * 5


def test_unknown_speakers_make_folds_of_clips() -> None:
    report = probe_layers(make_clips(speakers=[None] * NUM_CLIPS), num_folds=3)
    assert (report.grouping, report.num_folds, report.resampled) == ("clip", 3, "utterance")


def test_speakers_hold_out_what_clips_would_give_away() -> None:
    """A layer that knows nothing but speakers looks good as long as speakers are not held out."""
    rng = np.random.default_rng(0)
    of_speaker = np.arange(NUM_CLIPS) % 6
    vectors = rng.normal(0, 0.1, (NUM_CLIPS, 1, 8)) + 3 * np.eye(8)[of_speaker][:, None]
    labels = [f"label {number % 2}" for number in of_speaker]
    arguments = {"vectors": vectors.astype(np.float32), "cepstra": vectors[:, 0], "labels": labels}
    unknown = probe_layers(ProbedClips(speakers=[None] * NUM_CLIPS, **arguments))
    known = probe_layers(ProbedClips(speakers=list(map(str, of_speaker)), **arguments))
    assert unknown.systems[0].accuracy == 1.0
    assert known.systems[0].accuracy < 0.7


def test_a_validation_set_is_scored_as_a_whole() -> None:
    report = probe_layers(make_clips(), make_clips(seed=1), l2=1e-2)
    assert (report.grouping, report.num_folds, report.best) == ("given", 1, "2")


def test_labels_of_the_validation_set_must_be_known() -> None:
    other = make_clips()
    other = ProbedClips(other.vectors, other.cepstra, ["new"] * NUM_CLIPS, other.speakers)
    with pytest.raises(ManifestError, match="labels new occur in no training clip"):
        probe_layers(make_clips(), other)


def test_one_label_is_refused() -> None:
    clips = make_clips()
    one = ProbedClips(clips.vectors, clips.cepstra, ["a"] * NUM_CLIPS, clips.speakers)
    with pytest.raises(ManifestError, match="at least two labels, got 1"):
        probe_layers(one)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_plot_is_written(report: LayerProbeReport, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"layers{suffix}"
    plot_layers(report, path)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG" if suffix == ".png" else b"<?xml")
    assert len(content) > 5000
    assert list(tmp_path.iterdir()) == [path]


def test_a_plot_of_no_known_kind_is_refused(report: LayerProbeReport, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.pdf, \.png, \.svg"):
        plot_layers(report, tmp_path / "layers.txt")
