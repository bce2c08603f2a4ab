"""A manifest's other keys become labels."""

import json
from pathlib import Path

import pytest

from wav2vec2_conformer.errors import ManifestError
from wav2vec2_conformer.evaluation.reference_set import read_references


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rows = [
        {"audio_filepath": "a.wav", "duration": 1, "text": "A", "speaker": 7, "room": "hall"},
        {"audio_filepath": "b.wav", "duration": 2.5, "text": "", "noisy": True},
    ]
    for row in rows:
        (tmp_path / row["audio_filepath"]).touch()
    path = tmp_path / "set.jsonl"
    path.write_text("\n\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_names_are_as_written_and_paths_are_files(manifest):
    first, second = read_references(manifest)
    assert (first.name, first.audio_path) == ("a.wav", manifest.parent / "a.wav")
    assert (first.text, first.duration_s, first.speaker) == ("A", 1.0, "7")
    assert (second.speaker, second.labels) == (None, {})


def test_keys_that_were_asked_for_are_labels(manifest):
    first, second = read_references(manifest, ["room", "noisy"])
    assert first.labels == {"room": "hall", "noisy": None}
    assert second.labels == {"room": None, "noisy": "true"}


def test_a_key_of_no_line_is_refused(manifest):
    with pytest.raises(ManifestError, match="no line has the key mood; there are: audio_filepath"):
        read_references(manifest, ["mood"])
