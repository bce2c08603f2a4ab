"""`pretrain`: what it writes, says and refuses, and that other commands go on from it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import typer
import yaml
from safetensors.torch import load_file
from typer.testing import CliRunner

from wav2vec2_conformer import Wav2Vec2ConformerForCTC, Wav2Vec2ConformerForPreTraining
from wav2vec2_conformer.cli.pretrain import pretrain
from wav2vec2_conformer.errors import ConfigurationError, InputError, ManifestError
from wav2vec2_conformer.training.finetuning import finetune
from wav2vec2_conformer.training.pretraining import run as pretraining_run
from wav2vec2_conformer.training.recipe import list_presets
from wav2vec2_conformer.training.settings import FinetuneSettings
from wav2vec2_conformer.training.starting_model import read_starting_config


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    folder = tmp_path / "noise"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        samples = rng.normal(0, 0.1, 24_000 + 2_000 * number)
        soundfile.write(folder / f"{number}.wav", samples, 16_000)
    return folder


@pytest.fixture
def config(tmp_path: Path, tiny_config_kwargs: dict[str, Any]) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**tiny_config_kwargs, "num_negatives": 5}))
    return path


@pytest.fixture
def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(pretrain)
    return app


@pytest.fixture
def run(tmp_path: Path, noise: Path, command: typer.Typer) -> Callable[..., Any]:
    """Return a function that runs the command for two updates."""
    defaults = {
        "--train": noise,
        "--output-dir": tmp_path / "out",
        "--batch-seconds": 5,
        "--min-duration-s": 1,
        "--max-steps": 2,
        "--logging-steps": 1,
        "--num-workers": 0,
        "--report-to": "none",
    }

    def invoke(*overrides: str, check: bool = True, **flags: object) -> Any:
        given = {**defaults, **{f"--{k.replace('_', '-')}": v for k, v in flags.items()}}
        arguments = [part for name, v in given.items() if v is not None for part in (name, str(v))]
        result = CliRunner().invoke(command, [*arguments, *overrides])
        if check and result.exception is not None:
            raise result.exception
        return result

    return invoke


def test_a_run_from_random_weights(run, tmp_path: Path, config: Path, noise: Path) -> None:
    result = run(config=config, valid=noise, eval_steps=2, save_steps=2)
    final = tmp_path / "out" / "final"
    assert result.stdout.strip().splitlines()[-1] == str(final)
    assert "training: 6 utterances" in result.stderr
    assert "accuracy" in result.stderr
    assert "(chance 16.7 %)" in result.stderr
    for folder in (final, tmp_path / "out" / "checkpoint-2"):
        assert {"config.json", "model.safetensors", "preprocessor_config.json"} <= {
            path.name for path in folder.iterdir()
        }
        Wav2Vec2ConformerForPreTraining.from_pretrained(folder)
    report = (tmp_path / "out" / "report.html").read_text()
    assert "contrastive" in report.lower()
    assert "eval_accuracy" in (tmp_path / "out" / "log.jsonl").read_text()
    assert (final / "README.md").is_file()
    recipe = yaml.safe_load((tmp_path / "out" / "recipe.yaml").read_text())
    assert recipe["task"] == "pretraining"
    assert recipe["train"] == [str(noise)]
    assert recipe["max_steps"] == 2


def test_a_saved_recipe_does_the_same_again(run, tmp_path: Path, config: Path) -> None:
    run(config=config)
    recipe = tmp_path / "out" / "recipe.yaml"
    run(recipe=recipe, train=None, output_dir=tmp_path / "again")
    first, again = (
        load_file(tmp_path / name / "final" / "model.safetensors") for name in ("out", "again")
    )
    assert [name for name in first if not first[name].equal(again[name])] == []


def test_a_flag_comes_before_an_override_before_the_recipe(
    run, tmp_path: Path, config: Path
) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("mask_time_prob: 0.3\nmask_time_length: 4\nlearning_rate: 1e-4\n")
    run(
        "mask_time_length=5", "learning_rate=2e-4", recipe=recipe, config=config, learning_rate=3e-4
    )
    used = yaml.safe_load((tmp_path / "out" / "recipe.yaml").read_text())
    found = [used[name] for name in ("mask_time_prob", "mask_time_length", "learning_rate")]
    assert found == [0.3, 5, 3e-4]


def test_fine_tuning_goes_on_from_it(run, tmp_path: Path, config: Path, noise: Path) -> None:
    run(config=config)
    pretrained = tmp_path / "out" / "final"
    manifest = tmp_path / "some.jsonl"
    rows = [
        {"audio_filepath": str(noise / f"{k}.wav"), "duration": 1.5, "text": "A B"} for k in (0, 1)
    ]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    vocabulary = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "A": 5, "B": 6}
    vocab = tmp_path / "vocab.json"
    vocab.write_text(json.dumps(vocabulary))
    tuned = finetune(
        FinetuneSettings(
            train=(manifest,),
            output_dir=tmp_path / "tuned",
            model=str(pretrained),
            vocab=vocab,
            max_steps=1,
            learning_rate=0.0,
            num_workers=0,
            report_to="none",
        )
    )
    before = Wav2Vec2ConformerForPreTraining.from_pretrained(pretrained).wav2vec2_conformer
    after = Wav2Vec2ConformerForCTC.from_pretrained(tuned).wav2vec2_conformer
    for name, parameter in before.named_parameters():
        assert torch.equal(parameter, after.get_parameter(name)), name


def test_continued_from_itself_nothing_is_drawn_anew(run, tmp_path: Path, config: Path) -> None:
    run(config=config)
    result = run(
        model=tmp_path / "out" / "final", output_dir=tmp_path / "more", learning_rate=0, max_steps=1
    )
    assert "starts at random" not in result.stderr
    first, more = (
        Wav2Vec2ConformerForPreTraining.from_pretrained(tmp_path / name / "final")
        for name in ("out", "more")
    )
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, more.get_parameter(name)), name


def test_continued_from_a_ctc_model_what_is_new_is_said(
    run, tmp_path: Path, checkpoint: Path
) -> None:
    result = run("model_config.num_negatives=5", model=checkpoint, learning_rate=0, max_steps=1)
    assert "starts at random" in result.stderr
    for part in ("quantizer", "project_hid", "project_q"):
        assert part in result.stderr
    assert "left out of the checkpoint: lm_head" in result.stderr
    # It has layer norms: as fairseq's large model.
    assert "gradients times 1, weight of the penalty 0" in result.stderr
    before = Wav2Vec2ConformerForCTC.from_pretrained(checkpoint).wav2vec2_conformer
    after = Wav2Vec2ConformerForPreTraining.from_pretrained(tmp_path / "out" / "final")
    for name, parameter in before.named_parameters():
        assert torch.equal(parameter, after.wav2vec2_conformer.get_parameter(name)), name


def test_a_frozen_feature_encoder_stays(run, tmp_path: Path, config: Path) -> None:
    run(config=config, feature_gradient_scale=0, learning_rate=0.01, save_steps=1, max_steps=3)
    first, last = (
        Wav2Vec2ConformerForPreTraining.from_pretrained(tmp_path / "out" / name)
        for name in ("checkpoint-2", "final")
    )
    changed = {n for n, p in first.named_parameters() if not torch.equal(p, last.get_parameter(n))}
    assert not any("feature_extractor" in name for name in changed)
    assert any("quantizer" in name for name in changed)


@pytest.mark.parametrize(
    ("overrides", "flags", "error", "message"),
    [
        ((), {}, InputError, "give either model"),
        ((), {"config": "none.json"}, InputError, "no such configuration file"),
        ((), {"max_steps": None}, InputError, "nothing ends the run"),
        ((), {"train": None}, InputError, "give training data"),
        ((), {"mask_time_prob": 0}, InputError, "mask_time_prob must be above 0"),
        ((), {"max_duration_s": 0.5}, InputError, "max_duration_s must be at least min_duration_s"),
        ((), {"min_duration_s": 9}, ManifestError, "the longest has 2.12 s"),
        ((), {"feature_penalty_weight": -1}, InputError, "feature_penalty_weight must be at least"),
        ((), {"min_gumbel_temperature": 3}, InputError, "the minimum at most the maximum"),
        (("mask_time_porb=0.5",), {}, InputError, "did you mean mask_time_prob"),
        (("model_config.nothing=1",), {}, InputError, "config.json has no such value"),
        (("model_config.add_adapter=true",), {}, ConfigurationError, "does not take an adapter"),
    ],
    ids=str,
)
def test_what_is_refused(run, config: Path, overrides, flags, error, message) -> None:
    flags = flags if message == "give either model" else {"config": config, **flags}
    result = run(*overrides, check=False, **flags)
    assert isinstance(result.exception, error)
    assert message in str(result.exception)
    assert not (config.parent / "out" / "final").exists()


def test_presets_are_listed(command: typer.Typer) -> None:
    result = CliRunner().invoke(command, ["--list-presets"])
    assert result.exit_code == 0
    names = [line.split()[0] for line in result.stdout.splitlines()]
    assert names == [p.name for p in list_presets() if p.task == "pretraining"]
    assert {"conformer-base-ls960", "conformer-large-lv60k", "conformer-small-cpu"} <= set(names)


def test_a_preset_runs_as_it_is(run, tmp_path: Path) -> None:
    """But for a width and depth that a test has the time for."""
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    small |= {"intermediate_size": 20, "conv_dim": "[8, 8, 8, 8, 8, 8, 8]"}
    overrides = [f"model_config.{name}={value}" for name, value in small.items()]
    result = run(
        *overrides, "update_seconds=5", recipe="conformer-base-ls960", max_steps=1, warmup_steps=1
    )
    assert "random weights: 1 layers of width 16" in result.stderr
    used = json.loads((tmp_path / "out" / "final" / "config.json").read_text())
    assert (used["feat_extract_norm"], used["encoder_norm"]) == ("group", "before")


def test_a_dry_run_tells_what_a_run_takes_and_writes_nothing(
    run, tmp_path: Path, config: Path, noise: Path
) -> None:
    result = run("--dry-run", config=config, valid=noise, update_seconds=10, max_steps=30)
    told = {line[:20].strip(): line[20:] for line in result.stdout.splitlines()}
    assert told["task"] == "pretraining"
    assert told["training data"] == "6 utterances, 0.00 hours"
    model = Wav2Vec2ConformerForPreTraining(read_starting_config(None, config, {}))
    num_parameters = sum(p.numel() for p in model.parameters())
    assert told["parameters"].startswith(f"{num_parameters:,}, ")
    # 10.9 s of audio, in batches of 5 s that hold two clips each.
    assert told["update"] == "11 s of audio, 3 batches on each of 1 processes"
    assert told["updates"] == "30, 30.0 epochs; an epoch has 1"
    assert float(told["seconds per update"].split(",")[0]) > 0
    parts = r"0\.0\d GB: weights and optimizer 0\.00, longest batch 0\.0\d"
    assert re.fullmatch(parts, told["memory"])
    assert not (tmp_path / "out").exists()


def test_blocks_are_compiled_if_asked(
    run, tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What compiled blocks compute is tested with `compile_blocks`."""
    compiled: list[Any] = []
    monkeypatch.setattr(pretraining_run, "compile_blocks", compiled.append)
    run(config=config, max_steps=1)
    assert compiled == []
    run("--torch-compile", config=config, max_steps=1, output_dir=tmp_path / "compiled")
    assert [type(model) for model in compiled] == [Wav2Vec2ConformerForPreTraining]
