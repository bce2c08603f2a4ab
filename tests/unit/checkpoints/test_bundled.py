"""What the package ships is found, and what it does not ship is named."""

import json
from pathlib import Path

import pytest

from wav2vec2_conformer.audio import load_audio
from wav2vec2_conformer.checkpoints import bundled
from wav2vec2_conformer.checkpoints.bundled import bundled_checkpoint_path, bundled_clips
from wav2vec2_conformer.errors import CheckpointError


def test_an_unknown_checkpoint_is_refused_with_the_known_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, "_ASSETS", tmp_path)
    with pytest.raises(CheckpointError, match=r"'tiny-en'; it holds: none at all"):
        bundled_checkpoint_path()
    (tmp_path / "tiny-en").mkdir()
    (tmp_path / "tiny-en" / "config.json").write_text("{}")
    assert bundled_checkpoint_path() == tmp_path / "tiny-en"
    with pytest.raises(CheckpointError, match=r"'huge'; it holds: tiny-en"):
        bundled_checkpoint_path("huge")
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        bundled_checkpoint_path("../assets/tiny-en")


def test_every_bundled_clip_is_read_and_has_its_text() -> None:
    clips = bundled_clips()
    assert clips == sorted(clips)
    assert len(clips) >= 3
    manifest = clips[0].parent / "transcripts.jsonl"
    lines = map(json.loads, manifest.read_text(encoding="utf-8").splitlines())
    duration_s = {line["audio_filepath"]: line["duration"] for line in lines}
    for clip in clips:
        seconds = len(load_audio(clip)) / 16_000
        assert seconds == pytest.approx(duration_s[clip.name], abs=0.01)
