"""`finetune`: learns, scores, saves, and resumes exactly, on tones that spell letters."""

import json
import shutil
from itertools import count

import numpy as np
import pytest
import soundfile
import torch
import typer
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import Wav2Vec2Processor
from typer.testing import CliRunner

from wav2vec2_conformer.cli.finetune import finetune
from wav2vec2_conformer.errors import InputError, MissingExtraError
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.training import ctc, schedule

LETTERS_HZ = {"A": 300, "B": 700, "C": 1500, "D": 3000}


@pytest.fixture
def manifest(tmp_path):
    """Return a manifest of 8 clips: a tone of 0.16 s for each letter of its text."""
    rng = np.random.default_rng(0)
    lines = []
    for i in range(8):
        text = "".join(rng.choice(list(LETTERS_HZ), size=3 + i % 3))
        samples = np.concatenate(
            [np.sin(2 * np.pi * LETTERS_HZ[c] / 16_000 * np.arange(2560)) for c in text]
        )
        soundfile.write(tmp_path / f"{i}.wav", 0.3 * samples, 16_000)
        lines.append({"audio_filepath": f"{i}.wav", "duration": 0.16 * len(text), "text": text})
    path = tmp_path / "clips.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


@pytest.fixture
def run(tmp_path, manifest, tiny_config_kwargs):
    """Return a function that runs the command with a tiny model and returns its result."""
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps(
            tiny_config_kwargs
            | {
                "conv_dim": [16] * 7,
                "hidden_size": 32,
                "intermediate_size": 64,
                "position_embeddings_type": "rotary",
                "feat_extract_norm": "layer",
                "layerdrop": 0.2,
                "mask_time_prob": 0.2,
            }
        )
    )
    app = typer.Typer()
    app.command()(finetune)

    def invoke(*flags, check=True, **options):
        options = {
            "train": manifest,
            "output_dir": tmp_path / "out",
            "warmup_steps": 1,
            "learning_rate": 1e-3,
            "batch_seconds": 2.0,
            "num_workers": 0,
            "report_to": "none",
            "use_cpu": True,
        } | options
        if "model" not in options:
            options.setdefault("config", config)
        arguments = [*flags]
        for name, value in options.items():
            flag = name.replace("_", "-")
            if isinstance(value, bool):
                arguments.append(f"--{flag}" if value else f"--no-{flag}")
            else:
                arguments += [f"--{flag}", str(value)]
        result = CliRunner().invoke(app, arguments)
        if check and result.exit_code:
            pytest.fail(f"exit code {result.exit_code}: {result.output}{result.exception!r}")
        return result

    return invoke


def history(checkpoint):
    return json.loads((checkpoint / "trainer_state.json").read_text())["log_history"]


def test_loss_falls_and_scores_are_logged(run, tmp_path, manifest):
    result = run(
        valid=manifest,
        max_steps=60,
        learning_rate=1e-2,
        logging_steps=5,
        eval_steps=30,
        save_steps=30,
        spec_augment_below_loss=0.01,
        report_to="tensorboard",
        bf16=True,
    )
    out = tmp_path / "out"
    assert result.stdout == f"{out / 'final'}\n"
    for word in ("real time", "WER", "CER", "reference:", "hypothesis:"):
        assert word in result.stderr
    log = history(out / "checkpoint-60")
    losses = [entry["loss"] for entry in log if "loss" in entry]
    assert losses[-1] < losses[0] / 4
    assert [entry["step"] for entry in log if "eval_wer" in entry] == [30, 60]
    events = EventAccumulator(str(next((out / "runs").iterdir()))).Reload()
    assert [event.step for event in events.Scalars("eval/wer")] == [30, 60]


def test_final_folder_is_a_model_that_can_be_trained_on(run, tmp_path):
    run(max_steps=2, save_steps=2, save_dtype="float16")
    final = tmp_path / "out" / "final"
    model = Wav2Vec2ConformerForCTC.from_pretrained(final)
    processor = Wav2Vec2Processor.from_pretrained(final)
    assert model.config.vocab_size == len(processor.tokenizer) == 32
    assert model.config.ctc_loss_reduction == "mean"
    assert model.config.apply_spec_augment
    assert model.lm_head.weight.dtype == torch.float32
    run(model=final, output_dir=tmp_path / "more", max_steps=1, learning_rate=0.0)
    kept = Wav2Vec2ConformerForCTC.from_pretrained(tmp_path / "more" / "final")
    assert torch.equal(kept.lm_head.weight, model.lm_head.weight)


def test_other_vocabulary_gives_a_new_head(run, tmp_path):
    run(max_steps=1)
    vocabulary = tmp_path / "vocab.json"
    vocabulary.write_text(json.dumps({"<pad>": 0, "<unk>": 1, "|": 2, "A": 3, "B": 4}))
    result = run(
        model=tmp_path / "out" / "final",
        vocab=vocabulary,
        output_dir=tmp_path / "other",
        max_steps=1,
        learning_rate=0.0,
        freeze_feature_encoder=True,
    )
    assert "are not in the vocabulary and become <unk>" in result.stderr
    before, after = (
        Wav2Vec2ConformerForCTC.from_pretrained(tmp_path / name / "final").state_dict()
        for name in ("out", "other")
    )
    assert after["lm_head.weight"].shape[0] == 5
    name = "wav2vec2_conformer.encoder.layers.0.self_attn.linear_q.weight"
    assert torch.equal(before[name], after[name])


@pytest.mark.parametrize("step", [4, 6])
@pytest.mark.parametrize("num_workers", [0, 1])
def test_resumed_run_equals_an_uninterrupted_one(run, tmp_path, manifest, step, num_workers):
    # Three batches an epoch: step 4 is within the second one, step 6 between two.
    options = {
        "valid": manifest,
        "max_steps": 11,
        "eval_steps": 2,
        "save_steps": 2,
        "logging_steps": 2,
        "save_total_limit": 10,
        "speed_perturbation": 0.1,
        "spec_augment_below_loss": 1000,
        "num_workers": num_workers,
        "cache_dir": tmp_path / "cache",
    }
    run(output_dir=tmp_path / "whole", **options)
    resumed = tmp_path / "resumed"
    resumed.mkdir()
    name = f"checkpoint-{step}"
    shutil.copytree(tmp_path / "whole" / name, resumed / name)
    run(output_dir=resumed, resume=True, **options)

    whole = load_file(tmp_path / "whole" / "final" / "model.safetensors")
    again = load_file(resumed / "final" / "model.safetensors")
    at_step = load_file(resumed / name / "model.safetensors")
    assert whole.keys() == again.keys()
    assert max((whole[n] - at_step[n]).abs().max() for n in whole) > 1e-4
    for key, value in whole.items():
        torch.testing.assert_close(again[key], value, rtol=0, atol=1e-6)
    assert (tmp_path / "whole" / "checkpoint-11").is_dir()
    epochs = [entry["epoch"] for entry in history(resumed / "checkpoint-11")]
    assert epochs[-1] == pytest.approx(11 / 3, abs=0.01)


def test_time_limit_ends_the_run_with_a_learning_rate_near_zero(run, tmp_path, monkeypatch):
    # A clock that goes on by a hundredth of a second whenever it is read.
    monkeypatch.setattr(schedule.time, "monotonic", map((0.01).__mul__, count()).__next__)
    options = {"time_limit_minutes": 0.04, "logging_steps": 1}
    run(**options)
    out = tmp_path / "out"
    checkpoint = ctc.latest_checkpoint(out)
    log = [entry for entry in history(checkpoint) if "learning_rate" in entry]
    assert max(entry["learning_rate"] for entry in log) > 5e-4
    assert log[-1]["learning_rate"] < 5e-5
    assert (out / "final" / "model.safetensors").is_file()

    shutil.rmtree(out / "final")
    result = run(resume=True, **options)
    assert "has reached its end already" in result.stderr
    assert ctc.latest_checkpoint(out) == checkpoint
    final = load_file(out / "final" / "model.safetensors")
    torch.testing.assert_close(final, load_file(checkpoint / "model.safetensors"))


def test_best_model_can_be_kept(run, tmp_path, manifest):
    run(
        valid=manifest,
        max_steps=4,
        eval_steps=1,
        save_steps=1,
        learning_rate=1.0,
        load_best_model_at_end=True,
        save_total_limit=10,
    )
    out = tmp_path / "out"
    scores = {e["step"]: e["eval_wer"] for e in history(out / "checkpoint-4") if "eval_wer" in e}
    best = min(scores, key=lambda step: (scores[step], step))
    torch.testing.assert_close(
        load_file(out / "final" / "model.safetensors"),
        load_file(out / f"checkpoint-{best}" / "model.safetensors"),
    )


def test_output_of_an_earlier_run_is_not_overwritten(run):
    run(max_steps=1, save_steps=1)
    result = run(max_steps=1, check=False)
    assert isinstance(result.exception, InputError)
    assert "checkpoint-1 of an earlier run; resume it" in str(result.exception)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing ends the run"),
        ({"max_steps": 1, "model": "x", "config": "y"}, "give either model .* or config"),
        ({"max_steps": 1, "config": "none.json"}, "there is no such configuration file"),
        ({"max_steps": 1, "load_best_model_at_end": True}, "needs a validation manifest"),
        ({"max_steps": 1, "save_dtype": "int8"}, "save_dtype must be one of"),
    ],
)
def test_contradictions_are_refused(run, options, message):
    result = run(check=False, **options)
    assert isinstance(result.exception, InputError)
    with pytest.raises(InputError, match=message):
        raise result.exception


@pytest.mark.parametrize("package", ["accelerate", "tensorboard"])
def test_missing_package_is_named(run, monkeypatch, package):
    find_spec = ctc.importlib.util.find_spec
    monkeypatch.setattr(
        ctc.importlib.util,
        "find_spec",
        lambda name: None if name == package else find_spec(name),
    )
    result = run(max_steps=1, report_to="tensorboard", check=False)
    assert isinstance(result.exception, MissingExtraError)
    assert f"needs the package {package}" in str(result.exception)
    assert "wav2vec2-conformer[train]" in str(result.exception)
