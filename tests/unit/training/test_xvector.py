"""Trials are all pairs of validation clips, scored by the cosine."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.errors import ManifestError
from wav2vec2_conformer.training import xvector
from wav2vec2_conformer.training.report.examples import read_examples
from wav2vec2_conformer.training.xvector import build_trial_metric, read_speaker


def metrics(embeddings, speakers):
    return build_trial_metric()(
        SimpleNamespace(predictions=np.array(embeddings), label_ids=np.array(speakers))
    )


def test_speakers_in_directions_of_their_own_are_told_apart_at_any_length():
    embeddings = [[1.0, 0.1], [5.0, 0.0], [0.1, 2.0], [0.0, 0.5]]
    assert metrics(embeddings, [0, 0, 1, 1]) == {"eer": 0.0}
    assert metrics(embeddings, [0, 1, 0, 1])["eer"] > 0.4


def test_of_many_pairs_some_are_drawn(monkeypatch):
    monkeypatch.setattr(xvector, "MAX_TRIALS", 300)
    rng = np.random.default_rng(0)
    speakers = np.arange(60) % 3
    embeddings = np.eye(3)[speakers] + 0.01 * rng.standard_normal((60, 3))
    assert metrics(embeddings, speakers) == {"eer": 0.0}


def test_without_pairs_of_both_kinds_there_is_no_rate():
    assert metrics([[1.0, 0.0], [0.0, 1.0]], [0, 1]) == {}


def test_hardest_pairs_are_shown_first(tmp_path):
    embeddings = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.6, 0.5]])
    prediction = SimpleNamespace(
        predictions=embeddings,
        label_ids=np.array([0, 0, 1, 1]),
        inputs=["x/a.wav", "x/b.wav", "y/c.wav", "/far/y/d.wav"],
    )
    build_trial_metric(tmp_path)(prediction)
    shown = read_examples(tmp_path)
    assert len(shown) == 6
    # The second speaker's clips are alike less than the clips of two speakers.
    assert {e.name for e in shown[:2]} == {"y/c.wav and y/d.wav", "x/b.wav and y/d.wav"}
    assert shown[0].name == "y/c.wav and y/d.wav"
    assert shown[0].reference == "one speaker"
    assert shown[0].hypothesis.startswith("cosine 0.640, the threshold is ")
    assert shown[1].reference == "two speakers"
    assert not shown[0].is_transcript


def test_a_clip_without_a_speaker_is_named():
    with pytest.raises(ManifestError, match=r"a\.wav: has no speaker"):
        read_speaker(Utterance(Path("a.wav"), 1.0, ""))
