"""The start of the small pre-training, and the preset that goes on from it."""

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from safetensors.torch import load_file
from typer.testing import CliRunner

from wav2vec2_conformer import Wav2Vec2ConformerForPreTraining
from wav2vec2_conformer.audio.loading import load_audio
from wav2vec2_conformer.cli.pretrain import pretrain
from wav2vec2_conformer.errors import InputError

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "src/wav2vec2_conformer/assets/clips"
RECIPE = ROOT / "recipes/pretraining-small/initialize.py"


@pytest.fixture(scope="module")
def initialize() -> dict[str, Any]:
    return runpy.run_path(str(RECIPE))


@pytest.fixture(scope="module")
def initial(initialize: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the model that the recipe makes of the bundled clips."""
    folder = tmp_path_factory.mktemp("recipe")
    clips = sorted(CLIPS.glob("*.opus"))
    lines = [{"audio_filepath": str(clip), "duration": 1.0, "text": ""} for clip in clips]
    manifest = folder / "train.jsonl"
    manifest.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    initialize["main"](manifest, folder / "initial")
    return folder / "initial"


def run_preset(*flags: object) -> Any:
    command = typer.Typer()
    command.command()(pretrain)
    given = ["--recipe", "conformer-small-cpu", "--train", CLIPS, "--report-to", "none", *flags]
    return CliRunner().invoke(command, [str(part) for part in given])


def test_codes_are_the_nearest_centres(initialize: dict[str, Any], initial: Path) -> None:
    model = Wav2Vec2ConformerForPreTraining.from_pretrained(initial)
    samples = torch.from_numpy(np.ascontiguousarray(load_audio(min(CLIPS.glob("*.opus")))))[None]
    samples = (samples - samples.mean()) / samples.std()
    with torch.no_grad():
        features = model.eval().wav2vec2_conformer(samples).extract_features
        codes = model.quantizer(features).codes[0, :, 0]
        centres = model.quantizer.weight_proj.weight / initialize["DECISIVENESS"]
        nearest = torch.cdist(features[0], centres).argmin(dim=1)
    assert (codes == nearest).float().mean() > 0.99  # but for ties, which rounding decides
    assert len(codes.unique()) > 10  # no single centre takes all


def test_the_preset_trains_the_encoder_and_keeps_the_codes(initial: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = run_preset(
        *("--model", initial, "--output-dir", folder, "--max-steps", 2, "--num-workers", 0)
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(folder / "final")
    before, after = (load_file(f / "model.safetensors") for f in (initial, folder / "final"))
    kept = {name for name in before if before[name].equal(after[name])}
    frozen = {n for n in before if "feature_extractor." in n or "quantizer.weight_proj." in n}
    assert kept >= frozen
    assert not {name for name in kept - frozen if name.endswith("weight")}


def test_the_preset_is_planned_for_half_an_hour(initial: Path, tmp_path: Path) -> None:
    result = run_preset("--model", initial, "--output-dir", tmp_path / "run", "--dry-run")
    assert result.exit_code == 0, result.output
    told = {line[:20].strip(): line[20:] for line in result.stdout.splitlines()}
    assert told["updates"].startswith("until the time limit")
    assert told["time"] == "0.50 hours, without evaluations"
    assert not (tmp_path / "run").exists()


def test_the_preset_asks_for_the_model_to_start_from(tmp_path: Path) -> None:
    result = run_preset("--output-dir", tmp_path / "run")
    assert isinstance(result.exception, InputError)
    assert "a checkpoint to start from" in str(result.exception)
