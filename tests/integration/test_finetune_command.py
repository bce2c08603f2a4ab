"""`finetune`: learns, scores, saves, and resumes exactly, on tones that spell letters."""

import json
import shutil
from itertools import count

import numpy as np
import pytest
import soundfile
import torch
import typer
import yaml
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import Wav2Vec2Processor
from typer.testing import CliRunner

from wav2vec2_conformer.cli.finetune import finetune
from wav2vec2_conformer.errors import InputError, MissingExtraError
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.training import arguments, finetuning, schedule
from wav2vec2_conformer.training.model_folder import latest_checkpoint

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
        result = CliRunner().invoke(app(), arguments)
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
    """At first one of fairseq, then another on the run, which stands for its final model."""
    dictionary = tmp_path / "dict.ltr.txt"
    dictionary.write_text("| 4\nD 3\nA 2\nC 2\nB 1\n")
    run(max_steps=1, vocab=dictionary)
    saved = json.loads((tmp_path / "out" / "final" / "vocab.json").read_text())
    assert sorted(saved, key=saved.get) == ["<pad>", "<s>", "</s>", "<unk>", *"|DACB"]
    vocabulary = tmp_path / "vocab.json"
    vocabulary.write_text(json.dumps({"<pad>": 0, "<unk>": 1, "|": 2, "A": 3, "B": 4}))
    result = run(
        model=tmp_path / "out",
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


def test_time_limit_ends_the_run_with_a_learning_rate_near_zero(run, tmp_path, monkeypatch):
    # A clock that goes on by a hundredth of a second whenever it is read.
    monkeypatch.setattr(schedule.time, "monotonic", map((0.01).__mul__, count()).__next__)
    options = {"time_limit_minutes": 0.04, "logging_steps": 1}
    run(**options)
    out = tmp_path / "out"
    checkpoint = latest_checkpoint(out)
    log = [entry for entry in history(checkpoint) if "learning_rate" in entry]
    assert max(entry["learning_rate"] for entry in log) > 5e-4
    assert log[-1]["learning_rate"] < 5e-5
    assert (out / "final" / "model.safetensors").is_file()

    shutil.rmtree(out / "final")
    result = run(resume=True, **options)
    assert "has reached its end already" in result.stderr
    assert latest_checkpoint(out) == checkpoint
    final = load_file(out / "final" / "model.safetensors")
    torch.testing.assert_close(final, load_file(checkpoint / "model.safetensors"))


def test_a_run_by_epochs_ends_with_them_and_can_be_given_more(run, tmp_path):
    run(num_train_epochs=2, update_seconds=4.0)
    first = latest_checkpoint(tmp_path / "out")
    result = run(num_train_epochs=2, update_seconds=4.0, resume=True)
    assert "has reached its end already" in result.stderr
    run(num_train_epochs=3, update_seconds=4.0, resume=True)
    second = latest_checkpoint(tmp_path / "out")
    steps = [int(path.name.removeprefix("checkpoint-")) for path in (first, second)]
    assert steps[1] == steps[0] * 3 / 2


def test_best_model_can_be_kept_also_when_the_run_had_ended(run, tmp_path, manifest):
    options = {"valid": manifest, "max_steps": 4, "eval_steps": 1, "save_steps": 1}
    options |= {"learning_rate": 1.0, "load_best_model_at_end": True, "save_total_limit": 10}
    run(**options)
    out = tmp_path / "out"
    scores = {e["step"]: e["eval_wer"] for e in history(out / "checkpoint-4") if "eval_wer" in e}
    best = min(scores, key=lambda step: (scores[step], step))
    expected = load_file(out / f"checkpoint-{best}" / "model.safetensors")
    torch.testing.assert_close(load_file(out / "final" / "model.safetensors"), expected)
    shutil.rmtree(out / "final")
    assert "has reached its end already" in run(resume=True, **options).stderr
    torch.testing.assert_close(load_file(out / "final" / "model.safetensors"), expected)


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
        ({"max_steps": 1, "load_best_model_at_end": True}, "needs validation data"),
        ({"max_steps": 1, "num_train_epochs": 2}, "max_steps .* or num_train_epochs"),
        ({"max_steps": 1, "noise_kinds": "purple"}, "noise_kinds must be one of white, pink"),
        ({"max_steps": 1, "update_seconds": -1.0}, "update_seconds must be positive"),
    ],
)
def test_contradictions_are_refused(run, options, message):
    result = run(check=False, **options)
    assert isinstance(result.exception, InputError)
    with pytest.raises(InputError, match=message):
        raise result.exception


def test_the_run_folder_tells_what_happened(run, tmp_path, manifest):
    run(valid=manifest, max_steps=2, eval_steps=2)
    out = tmp_path / "out"
    assert "<html" in (out / "report.html").read_text()
    assert json.loads((out / "run.json").read_text())["data"]["train_utterances"] == 8
    assert len(json.loads((out / "examples.json").read_text())) == 8
    assert "pipeline_tag" in (out / "final" / "README.md").read_text()


def test_a_stopped_run_says_why(run):
    result = run(
        max_steps=30, learning_rate=0.0, health="learning_rate_zero=stop", save_steps=5, check=False
    )
    assert result.exit_code == 1
    assert "learning_rate_zero" in str(result.exception)


def test_lora_leaves_the_base_as_it_was_and_the_folder_whole(run, tmp_path, manifest):
    run(max_steps=1)
    start = tmp_path / "out" / "final"
    options = {"model": start, "output_dir": tmp_path / "more", "max_steps": 2, "valid": manifest}
    run(lora=True, lora_rank=2, save_steps=1, learning_rate=0.01, **options)
    before, after = (
        Wav2Vec2ConformerForCTC.from_pretrained(folder).state_dict()
        for folder in (start, tmp_path / "more" / "final")
    )
    changed = {name.split(".")[-2] for name in before if not before[name].equal(after[name])}
    assert {"linear_q", "lm_head"} <= changed
    assert "conv" not in changed
    run(lora=True, lora_rank=2, save_steps=1, resume=True, **options | {"max_steps": 3})


@pytest.mark.parametrize("package", ["accelerate", "tensorboard"])
def test_missing_package_is_named(run, monkeypatch, package):
    find_spec = arguments.importlib.util.find_spec
    monkeypatch.setattr(
        arguments.importlib.util,
        "find_spec",
        lambda name: None if name == package else find_spec(name),
    )
    result = run(max_steps=1, report_to="tensorboard", check=False)
    assert isinstance(result.exception, MissingExtraError)
    assert f"needs the package {package}" in str(result.exception)
    assert "wav2vec2-conformer[train]" in str(result.exception)


def test_a_recipe_is_written_and_gives_the_same_run_again(run, tmp_path):
    run("adam_epsilon=1e-7", max_steps=3, speed_perturbation=0.1, noise_probability=0.5)
    out = tmp_path / "out"
    again = tmp_path / "again"
    result = CliRunner().invoke(
        app(), ["--recipe", str(out / "recipe.yaml"), f"output_dir={again}"], catch_exceptions=False
    )
    assert result.stdout == f"{again / 'final'}\n"
    first, second = (load_file(folder / "final" / "model.safetensors") for folder in (out, again))
    assert [name for name in first if not first[name].equal(second[name])] == []
    recipes = [(folder / "recipe.yaml").read_text() for folder in (out, again)]
    assert recipes[0].replace(str(out), str(again)) == recipes[1]
    assert "adam_epsilon: 1.0e-07" in recipes[0]


def test_a_flag_comes_before_an_override_and_that_before_the_recipe(run, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "seed: 1\nweight_decay: 0.1\nmax_grad_norm: 3.0\nmodel_config:\n  layerdrop: 0.0\n"
    )
    run(
        "seed=2",
        "weight_decay=0.2",
        "model_config.mask_time_prob=0.3",
        recipe=recipe,
        seed=3,
        max_steps=1,
    )
    written = yaml.safe_load((tmp_path / "out" / "recipe.yaml").read_text())
    assert (written["seed"], written["weight_decay"], written["max_grad_norm"]) == (3, 0.2, 3.0)
    assert written["model_config"] == {"layerdrop": 0.0, "mask_time_prob": 0.3}
    config = json.loads((tmp_path / "out" / "final" / "config.json").read_text())
    assert (config["layerdrop"], config["mask_time_prob"]) == (0.0, 0.3)


def test_a_dry_run_tells_what_a_run_takes_and_writes_nothing(run, tmp_path):
    result = run("--dry-run", update_seconds=5.0, num_train_epochs=4, freeze_encoder=True)
    lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert lines["training"].startswith("data       8 utterances, 0.00 hours")
    assert "trained (" in lines["parameters"]
    assert lines["update"].startswith("5 s of audio, 3 batches on each of 1 processes")
    assert "4.0 epochs" in lines["updates"]
    assert "GB: weights and optimizer" in lines["memory"]
    assert not (tmp_path / "out").exists()


def test_presets_are_listed_with_what_they_are_for():
    result = CliRunner().invoke(app(), ["--list-presets"])
    assert "large-10h " in result.stdout
    assert "conformer-base-ls960" not in result.stdout  # of pre-training


def app():
    """Return the command as an application."""
    application = typer.Typer()
    application.command()(finetune)
    return application


def test_blocks_are_compiled_if_asked(run, monkeypatch):
    """What compiled blocks compute is tested with `compile_blocks`."""
    compiled = []
    monkeypatch.setattr(finetuning, "compile_blocks", compiled.append)
    run("--torch-compile", max_steps=1)
    assert [type(model) for model in compiled] == [Wav2Vec2ConformerForCTC]
