"""The start of the small pre-training: codes are the nearest centres of k-means."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from wav2vec2_conformer import Wav2Vec2ConformerForPreTraining
from wav2vec2_conformer.audio.loading import load_audio

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "src/wav2vec2_conformer/assets/clips"
RECIPE = ROOT / "recipes/pretraining-small/initialize.py"


def test_codes_are_the_nearest_centres(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = sorted(CLIPS.glob("*.opus"))
    lines = [{"audio_filepath": str(clip), "duration": 1.0, "text": ""} for clip in clips]
    manifest = tmp_path / "train.jsonl"
    manifest.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    initialize = runpy.run_path(str(RECIPE))
    initialize["main"](manifest, tmp_path / "initial")
    assert "of neighbours have equal codes" in capsys.readouterr().out

    model = Wav2Vec2ConformerForPreTraining.from_pretrained(tmp_path / "initial")
    samples = torch.from_numpy(np.ascontiguousarray(load_audio(clips[0])))[None]
    samples = (samples - samples.mean()) / samples.std()
    with torch.no_grad():
        features = model.eval().wav2vec2_conformer(samples).extract_features
        codes = model.quantizer(features).codes[0, :, 0]
        centres = model.quantizer.weight_proj.weight / initialize["DECISIVENESS"]
        nearest = torch.cdist(features[0], centres).argmin(dim=1)
    assert (codes == nearest).float().mean() > 0.99  # but for ties, which rounding decides
    assert len(codes.unique()) > 10  # no single centre takes all
