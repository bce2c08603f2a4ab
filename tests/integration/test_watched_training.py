"""`finetune` watches itself, and leaves a report and a model card."""

import json

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from wav2vec2_conformer.cli.finetune import finetune
from wav2vec2_conformer.cli.pretrain import pretrain
from wav2vec2_conformer.training.health.stopping import UnhealthyTrainingError


@pytest.fixture
def run(tmp_path, tiny_config_kwargs):
    """Return a function that runs the command on four clips of noise."""
    rng = np.random.default_rng(0)
    lines = []
    for i in range(4):
        soundfile.write(tmp_path / f"{i}.wav", 0.1 * rng.normal(size=16_000), 16_000)
        lines.append({"audio_filepath": f"{i}.wav", "duration": 1.0, "text": f"CLIP {'AB'[i % 2]}"})
    manifest = tmp_path / "clips.jsonl"
    manifest.write_text("\n".join(json.dumps(line) for line in lines))
    config = tmp_path / "config.json"
    changes = {"conv_dim": [16] * 7, "hidden_size": 32, "feat_extract_norm": "layer"}
    config.write_text(json.dumps(tiny_config_kwargs | changes))

    def invoke(command, *flags):
        app = typer.Typer()
        app.command()(command)
        given = ["--train", str(manifest), "--valid", str(manifest), "--config", str(config)]
        given += ["--output-dir", str(tmp_path / "run"), "--batch-seconds", "2", "--use-cpu"]
        given += ["--num-workers", "0", "--report-to", "none", "--logging-steps", "2"]
        given += ["--eval-steps", "2", "--save-steps", "2", "--warmup-steps", "1"]
        return CliRunner().invoke(app, [*given, *flags])

    return invoke


def test_a_run_leaves_a_report_and_a_card(run, tmp_path):
    result = run(finetune, "--max-steps", "4")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "run"
    assert (folder / "health.jsonl").read_text() == ""
    record = json.loads((folder / "run.json").read_text())
    assert record["data"]["train_utterances"] == 4
    page = (folder / "report.html").read_text(encoding="utf-8")
    for part in (
        "finished after 4 updates",
        "Error rates",
        "CLIP",
        "learning rate",
        "found nothing",
    ):
        assert part in page
    card = (folder / "final" / "README.md").read_text(encoding="utf-8")
    assert "| WER |" in card
    assert str(tmp_path) not in card


def test_pretraining_leaves_them_too(run, tmp_path):
    result = run(pretrain, "--max-steps", "2", "--min-duration-s", "0.5")
    assert result.exit_code == 0, result.output
    assert "Code perplexity" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "pre-trained encoder" in (tmp_path / "run" / "final" / "README.md").read_text()


def test_a_run_can_be_told_to_stop(run, tmp_path):
    result = run(
        finetune, "--max-steps", "40", "--learning-rate", "0", "--health", "learning-rate-zero=stop"
    )
    assert isinstance(result.exception, UnhealthyTrainingError)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "stopped by the health monitor after 10 of 40 updates" in page


def test_a_wrong_setting_is_told_before_the_run(run, tmp_path):
    result = run(finetune, "--max-steps", "4", "--health", "al_blank=stop")
    assert "Did you mean all_blank" in str(result.exception)
    assert not (tmp_path / "run" / "run.json").exists()
