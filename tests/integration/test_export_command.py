"""`wav2vec2-conformer export`, and the commands that run what it writes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
import soundfile
import torch
import typer
from typer.testing import CliRunner

pytest.importorskip("onnxscript")

from wav2vec2_conformer.cli.export import export
from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.inference import exported_ctc
from wav2vec2_conformer.inference.exported_ctc import ExportedCtc
from wav2vec2_conformer.inference.exported_folder import open_graph
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.scale.worker import WorkerSettings

Run = Callable[..., tuple[int, str, str]]

app = typer.Typer()
app.command("export")(export)


@pytest.fixture(scope="module")
def small_checkpoint(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint with a shorter feature encoder, which is traced in a third of the time."""
    folder = tmp_path_factory.mktemp("small")
    shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
    torch.manual_seed(6)
    config = Wav2Vec2ConformerForCTC.config_class.from_pretrained(
        folder,
        conv_dim=(8, 8),
        conv_kernel=(320, 3),
        conv_stride=(320, 2),
        num_feat_extract_layers=2,
        position_embeddings_type="rotary",
    )
    model = Wav2Vec2ConformerForCTC(config)
    torch.nn.init.normal_(model.lm_head.weight)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of two clips of noise."""
    folder = tmp_path_factory.mktemp("speech")
    lines = []
    for number, duration_s in enumerate((2.0, 1.3)):
        noise = np.random.default_rng(number).normal(0, 0.1, round(duration_s * 16_000))
        soundfile.write(folder / f"{number}.wav", noise, 16_000)
        line = {"audio_filepath": f"{number}.wav", "duration": duration_s, "text": "ABBA FADE"}
        lines.append(json.dumps(line) + "\n")
    (folder / "manifest.jsonl").write_text("".join(lines))
    return folder / "manifest.jsonl"


@pytest.fixture(scope="module")
def exported(
    small_checkpoint: Path, speech: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any]:
    """An exported folder and what the command said."""
    folder = tmp_path_factory.mktemp("exports") / "graph"
    arguments = ["-m", small_checkpoint, "-o", folder, "--speech", speech]
    jaxtyping.config.update("jaxtyping_disable", True)  # symbolic sizes are no ints to it
    try:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
    assert done.exit_code == 0, done.output
    return folder, done


def test_it_reports_differences_speed_and_word_errors(exported: tuple[Path, Any]) -> None:
    folder, done = exported
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert list(lines) == ["graph", "size", "difference", "speed", "WER"]
    assert lines["graph"] == f"{folder / 'model.onnx'} (ctc, float32, transformers layout)"
    assert lines["speed"].startswith("30 s of audio in ")
    assert "s (torch), " in lines["speed"]
    assert "tracing the model" in done.stderr
    report = json.loads((folder / "report.json").read_text())
    assert report["largest_difference"] < 1e-4
    errors = report["word_errors"]
    assert errors["torch_percent"] == errors["exported_percent"] > 0
    assert errors["num_utterances"] == 2


def test_the_folder_holds_what_loading_needs_and_nothing_else(exported: tuple[Path, Any]) -> None:
    folder, _ = exported
    names = {path.name for path in folder.iterdir()}
    needed = {"config.json", "vocab.json", "preprocessor_config.json", "tokenizer_config.json"}
    assert needed <= names
    assert names <= needed | {"model.onnx", "model.onnx.data", "report.json"}
    assert [path.name for path in folder.parent.iterdir()] == ["graph"]


@pytest.mark.parametrize(
    "command",
    [("transcribe", "-f", "json"), ("stream", "--as-fast-as-possible"), ("align",)],
    ids=lambda command: command[0],
)
def test_commands_give_the_same_with_the_exported_model(
    run: Run,
    exported: tuple[Path, Any],
    small_checkpoint: Path,
    clips: list[Path],
    command: tuple[str, ...],
    tmp_path: Path,
) -> None:
    name, *flags = command
    if name == "align":
        (tmp_path / "said.txt").write_text("ABBA FADE")
        flags = ["--text", str(tmp_path / "said.txt")]
    outputs = []
    for model in (small_checkpoint, exported[0]):
        code, out, err = run(name, clips[0], *flags, "-m", model)
        assert code == 0, err
        outputs.append(out)
    assert outputs[0] == outputs[1]
    assert outputs[0].strip()


def test_evaluate_runs_the_exported_model(
    run: Run, exported: tuple[Path, Any], speech: Path
) -> None:
    code, out, err = run("evaluate", speech, "-m", exported[0], "-f", "json")
    assert code == 0, err
    assert json.loads(out)["systems"][0]["name"] == str(exported[0])


@pytest.mark.parametrize("command", ["transcribe", "evaluate"])
def test_the_runtime_can_be_chosen(
    run: Run,
    exported: tuple[Path, Any],
    speech: Path,
    clips: list[Path],
    command: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []

    def open_noted(path: Path, runtime: Any) -> Any:
        opened.append(runtime)
        return open_graph(path, "onnx")

    monkeypatch.setattr(exported_ctc, "open_graph", open_noted)
    place = clips[0] if command == "transcribe" else speech
    for runtime in ("onnx", "openvino"):
        code, _, err = run(command, place, "-m", exported[0], "--runtime", runtime, "--quiet")
        assert code == 0, err
    assert opened == ["onnx", "openvino"]
    code, _, err = run(command, place, "-m", exported[0], "--runtime", "torch")
    assert code == 1
    assert "without weights, which torch cannot run" in err


def test_workers_take_the_runtime_and_servers_want_weights(exported: tuple[Path, Any]) -> None:
    folder = str(exported[0])
    with pytest.raises(CheckpointError, match="without weights, which torch cannot run"):
        WorkerSettings(model=folder, runtime="torch").load()
    assert isinstance(WorkerSettings(model=folder, runtime="onnx").load().network, ExportedCtc)
    model_set = pytest.importorskip("wav2vec2_conformer.server.model_set")
    settings = pytest.importorskip("wav2vec2_conformer.server.settings")
    with pytest.raises(CheckpointError, match="without weights, which torch cannot run"):
        model_set.load_models(settings.ServerSettings(models=(folder,)))


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["-m", str(tmp_path / "no.such/model"), "-o", str(tmp_path / "x")]
    )
    assert isinstance(done.exception, CheckpointError)
    assert not list(tmp_path.iterdir())
