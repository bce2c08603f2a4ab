"""The card says what the folder of a run tells, and no path of the machine."""

import json

import pytest
import yaml

from wav2vec2_conformer.training.report.model_card import write_model_card


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "my-run"
    (folder / "final").mkdir(parents=True)
    (folder / "final" / "config.json").write_text('{"architectures": ["XForCTC"]}')
    history = [
        {"step": 5, "epoch": 0.5, "loss": 2.0, "num_input_tokens_seen": 57_600_000},
        {"step": 5, "epoch": 0.5, "eval_wer": 0.25, "eval_loss": 1.5, "eval_runtime": 2.0},
        {"step": 10, "epoch": 1.0, "eval_wer": 0.5, "eval_loss": 1.0, "eval_runtime": 2.0},
    ]
    state = {"global_step": 10, "log_history": history}
    (folder / "checkpoint-10").mkdir()
    (folder / "checkpoint-10" / "trainer_state.json").write_text(json.dumps(state))
    record = {
        "task": "ctc",
        "parameters": 1000,
        "data": {"train_hours": 12.5, "train_utterances": 3456},
        "machine": {"processor": "abacus"},
        "software": {"torch": "2"},
    }
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def read(path):
    empty, header, body = path.read_text(encoding="utf-8").split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(header), body


def test_scores_data_and_use_are_told(run_dir):
    (run_dir / "recipe.yaml").write_text("valid: /home/somebody/data/valid.jsonl\n")
    path = write_model_card(run_dir)
    assert path == run_dir / "final" / "README.md"
    header, body = read(path)
    assert header["pipeline_tag"] == "automatic-speech-recognition"
    (result,) = header["model-index"][0]["results"]
    assert result["dataset"]["name"] == "valid"
    assert result["metrics"] == [{"type": "wer", "value": 0.5}, {"type": "loss", "value": 1.0}]
    assert "# my-run" in body
    assert "at update 10" in body
    assert "| WER | 50.00 % |" in body
    assert "| training data | 12.50 hours, 3,456 utterances |" in body
    assert "| starting point | random weights |" in body
    assert "| audio seen | 1.0 hours |" in body
    assert "wav2vec2-conformer transcribe -m FOLDER speech.wav" in body
    assert "licence" in body
    assert "/home" not in path.read_text()


def test_the_best_evaluation_counts_if_the_best_model_was_kept(run_dir):
    (run_dir / "recipe.yaml").write_text("load_best_model_at_end: true\n")
    _, body = read(write_model_card(run_dir))
    assert "at update 5" in body
    assert "| WER | 25.00 % |" in body


@pytest.mark.parametrize(
    ("model", "base", "start"),
    [
        ("facebook/wav2vec2-conformer", "facebook/wav2vec2-conformer", "facebook/wav2vec2-con"),
        ("/home/somebody/model", None, "a local checkpoint"),
        ("../model", None, "a local checkpoint"),
        ("bert", None, "a local checkpoint"),
    ],
)
def test_the_starting_point_is_named_if_it_is_public(run_dir, model, base, start):
    (run_dir / "recipe.yaml").write_text(f"model: {model}\n")
    header, body = read(write_model_card(run_dir))
    assert header.get("base_model") == base
    assert f"| starting point | {start}" in body


def test_a_run_without_validation_has_a_card(run_dir):
    (run_dir / "checkpoint-10" / "trainer_state.json").write_text('{"global_step": 10}')
    header, body = read(write_model_card(run_dir))
    assert "model-index" not in header
    assert "without a validation set" in body
