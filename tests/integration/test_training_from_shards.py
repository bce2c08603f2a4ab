"""Tar shards and Parquet are trained on as files are, and read once for a run and its resuming."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from safetensors.torch import load_file
from tests.shard_files import write_parquet, write_tar

from wav2vec2_conformer.data import extraction
from wav2vec2_conformer.training.finetuning import finetune
from wav2vec2_conformer.training.plan import plan_run
from wav2vec2_conformer.training.pretraining.run import pretrain
from wav2vec2_conformer.training.pretraining.settings import PretrainingSettings
from wav2vec2_conformer.training.settings import FinetuneSettings

NUM_CLIPS = 4


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Path]:
    """Return the same clips as a manifest, a tar shard and a Parquet file."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "clips"
    folder.mkdir()
    rows, members, audio = [], [], []
    for number in range(NUM_CLIPS):
        path = folder / f"{number}.flac"
        soundfile.write(path, rng.normal(0, 0.1, 6_400 + 800 * number), 16_000)
        text = "AB"[number % 2]
        rows.append({"audio_filepath": path.name, "text": text})
        members += [(path.name, path.read_bytes()), (f"{number}.txt", text.encode())]
        audio.append({"bytes": path.read_bytes(), "path": path.name})
    (folder / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = [row["text"] for row in rows]
    return {
        "files": folder / "clips.jsonl",
        "tar": write_tar(tmp_path / "clips.tar", *members),
        "parquet": write_parquet(tmp_path / "clips.parquet", {"audio": audio, "text": texts}),
    }


@pytest.fixture
def run(tmp_path: Path, tiny_config_kwargs: dict[str, Any]) -> dict[str, Any]:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(tiny_config_kwargs))
    return {
        "config": config,
        "batch_seconds": 1.2,
        "num_train_epochs": 2,
        "warmup_steps": 1,
        "save_steps": 1,
        "save_total_limit": 9,
        "num_workers": 0,
        "report_to": "none",
        "use_cpu": True,
    }


def assert_equal_weights(first: Path, second: Path) -> None:
    expected, found = (load_file(folder / "model.safetensors") for folder in (first, second))
    assert [name for name in expected if not expected[name].equal(found[name])] == []


def resume(settings: Any, train: Callable[[Any], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go on from the first checkpoint, as if the others had not been, reading no shard."""
    monkeypatch.setattr(extraction, "iter_encoded", None)
    for path in settings.output_dir.glob("checkpoint-*"):
        if path.name != "checkpoint-1":
            path.rename(settings.output_dir / f"gone-{path.name}")
    (settings.output_dir / "final").rename(settings.output_dir / "whole")
    return train(replace(settings, resume=True))


def test_fine_tuning(
    tmp_path: Path, data: dict[str, Path], run: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = FinetuneSettings(
        **run, train=(data["files"],), valid=data["files"], output_dir=tmp_path / "files"
    )
    shards = replace(
        files, train=(data["tar"],), valid=data["parquet"], output_dir=tmp_path / "shards"
    )
    expected = finetune(files)
    assert_equal_weights(expected, finetune(shards))
    written = sorted(p.name.rpartition("-")[0] for p in (tmp_path / "shards" / "audio").iterdir())
    assert written == ["clips.parquet", "clips.tar"]
    assert_equal_weights(expected, resume(shards, finetune, monkeypatch))


def test_pre_training(
    tmp_path: Path, data: dict[str, Path], run: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's folder is in the folder of its data, which the resumed run must not notice."""
    folder = tmp_path / "shards"
    folder.mkdir()
    shard = data["parquet"].rename(folder / "clips.parquet")
    settings = PretrainingSettings(
        **run, train=(folder,), valid=shard, output_dir=folder / "run", min_duration_s=0.2
    )
    files = replace(
        settings, train=(data["files"],), valid=data["files"], output_dir=tmp_path / "files"
    )
    expected = pretrain(files)
    assert_equal_weights(expected, pretrain(settings))
    assert_equal_weights(expected, resume(settings, pretrain, monkeypatch))


def test_a_dry_run_and_other_runs_use_what_the_cache_holds(
    tmp_path: Path, data: dict[str, Path], run: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = FinetuneSettings(**run, train=(data["tar"],), output_dir=tmp_path / "run")
    assert plan_run(settings).num_utterances == NUM_CLIPS
    assert not settings.output_dir.exists()
    cached = replace(settings, cache_dir=tmp_path / "cache")
    plan_run(cached)
    monkeypatch.setattr(extraction, "iter_encoded", None)
    assert plan_run(cached).num_utterances == NUM_CLIPS
