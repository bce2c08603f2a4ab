"""What surrounds the tracing: files, arguments, failures."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

pytest.importorskip("onnxscript")

from wav2vec2_conformer.errors import CheckpointError, InputError, MissingExtraError
from wav2vec2_conformer.export import export_model, model_export, onnx_writing, word_errors
from wav2vec2_conformer.export.heads import load_head
from wav2vec2_conformer.export.quantization import quantize_linear_layers
from wav2vec2_conformer.inference import Transcriber
from wav2vec2_conformer.inference.exported_ctc import ExportedCtc
from wav2vec2_conformer.inference.exported_folder import open_graph
from wav2vec2_conformer.inference.loading import load_ctc

from .conftest import save_checkpoint


@pytest.fixture
def traced_before(exported: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Take the graph that was traced before, since tracing takes seconds."""
    export = exported("ctc")

    def write(_: Any, path: Path) -> None:
        shutil.copyfile(export.folder / "model.onnx", path)

    monkeypatch.setattr(model_export, "write_onnx", write)
    return export


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    return np.random.default_rng(2).normal(0, 0.1, 50_000).astype(np.float32)


def transcript(folder: Path, clip: np.ndarray) -> str:
    transcriber = Transcriber.from_pretrained(folder, device="cpu", window_s=2.0, context_s=0.5)
    return transcriber.transcribe(clip, 16_000).text


def test_an_exported_folder_is_transcribed_with_in_windows(
    traced_before: Any, clip: np.ndarray
) -> None:
    text = transcript(traced_before.checkpoint, clip)
    assert len(text) > 10
    assert transcript(traced_before.folder, clip) == text
    model, _ = load_ctc(traced_before.folder, device="auto", compute_type="float32")
    assert isinstance(model, ExportedCtc)


def test_openvino_gives_the_same_text(traced_before: Any, clip: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    report = export_model(traced_before.checkpoint, tmp_path / "new", to="openvino")
    assert report["largest_difference"] < model_export.TOLERANCE
    names = {file.name for file in (tmp_path / "new").iterdir()}
    assert {"openvino_model.xml", "openvino_model.bin", "report.json"} < names
    assert "model.onnx" not in names
    assert transcript(tmp_path / "new", clip) == transcript(traced_before.checkpoint, clip)


def test_an_onnx_file_runs_in_openvino_too(traced_before: Any) -> None:
    pytest.importorskip("openvino")
    values, mask = torch.randn(1, 16_000), torch.ones(1, 16_000, dtype=torch.long)
    for runtime in ("onnx", "openvino"):
        options: Any = {"device": "cpu", "compute_type": "float32", "runtime": runtime}
        model, _ = load_ctc(traced_before.folder, **options)
        logits = model(values, attention_mask=mask).logits
        with torch.inference_mode():
            expected = traced_before.model(values, attention_mask=mask).logits
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)


def test_an_int8_export_says_how_far_it_is_off(traced_before: Any, tmp_path: Path) -> None:
    report = export_model(traced_before.checkpoint, tmp_path / "new", int8=True)
    assert report["precision"] == "int8"
    assert 1e-4 < report["largest_difference"] < 1.0
    assert (tmp_path / "new" / "model.int8.onnx").is_file()
    assert not (tmp_path / "new" / "model.onnx").exists()
    assert json.loads((tmp_path / "new" / "report.json").read_text()) == report
    load_ctc(tmp_path / "new", device="cpu", compute_type="int8")
    with pytest.raises(InputError, match="compute_type 'bfloat16' has no use"):
        load_ctc(tmp_path / "new", device="cpu", compute_type="bfloat16")


def test_words_of_the_bundled_clips_are_counted_where_they_can_be_spelled(
    traced_before: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 24_000)
    soundfile.write(tmp_path / "clip.wav", noise, 16_000)
    monkeypatch.setattr(word_errors, "bundled_clips", lambda: [tmp_path / "clip.wav"])
    for text, is_spelled in (("ABBA FADE", True), ("SIZE", False)):
        line = {"audio_filepath": "clip.wav", "duration": 1.5, "text": text}
        (tmp_path / "transcripts.jsonl").write_text(json.dumps(line) + "\n")
        report = export_model(traced_before.checkpoint, tmp_path / "new", overwrite=True)
        assert ("word_errors" in report) == is_spelled
        if is_spelled:
            errors = report["word_errors"]
            assert errors["manifest"] is None
            assert errors["num_utterances"] == 1
            assert errors["torch_percent"] == errors["exported_percent"] > 0


@pytest.mark.parametrize(
    ("is_broken", "told"), [(False, "which differs by"), (True, "which cannot run it")]
)
def test_a_runtime_that_fails_is_left_out_and_does_not_end_the_export(
    traced_before: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_broken: bool, told: str
) -> None:
    pytest.importorskip("openvino")
    other = tmp_path / "other.onnx"
    if is_broken:
        other.write_text("no graph")
    else:
        quantize_linear_layers(traced_before.folder / "model.onnx", other)

    def open_wrongly(path: Path, runtime: Any) -> Any:
        return open_graph(other if runtime == "openvino" else path, runtime)

    monkeypatch.setattr(model_export, "open_graph", open_wrongly)
    steps: list[str] = []
    report = export_model(traced_before.checkpoint, tmp_path / "new", on_step=steps.append)
    assert list(report["runtimes"]) == ["onnx"]
    assert f"left out openvino, {told}" in steps[-1]


def test_the_fastest_of_weights_and_graph_is_loaded_where_it_does_what_is_asked(
    traced_before: Any, tmp_path: Path
) -> None:
    for file in (*traced_before.folder.iterdir(), *traced_before.checkpoint.iterdir()):
        shutil.copyfile(file, tmp_path / file.name)
    report = json.loads((tmp_path / "report.json").read_text())
    for beside in report["runtimes"].values():
        beside["exported_s"] = beside["torch_s"] / 2
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert isinstance(load_ctc(tmp_path, device="cpu", compute_type="float32")[0], ExportedCtc)
    asked: Any
    for asked in ({"compute_type": "bfloat16"}, {"compute_type": "float32", "runtime": "torch"}):
        model, _ = load_ctc(tmp_path, device="cpu", **asked)
        assert not isinstance(model, ExportedCtc)


@pytest.mark.usefixtures("traced_before")
def test_a_graph_that_differs_is_not_written(other_checkpoint: Path, tmp_path: Path) -> None:
    """The graph that `traced_before` hands out is of another model than this one."""
    with pytest.raises(CheckpointError, match="differs from the model by"):
        export_model(other_checkpoint, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_an_older_export_is_replaced_on_demand_only(traced_before: Any, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    export_model(traced_before.checkpoint, folder)
    with pytest.raises(InputError, match="is there already; --overwrite"):
        export_model(traced_before.checkpoint, folder)
    export_model(traced_before.checkpoint, folder, int8=True, overwrite=True)
    assert not (folder / "model.onnx").exists()
    with pytest.raises(InputError, match="is no export of this command"):
        export_model(traced_before.checkpoint, traced_before.checkpoint, overwrite=True)
    (folder / "model.safetensors").touch()  # a checkpoint with an export's files beside it
    with pytest.raises(InputError, match="is no export of this command"):
        export_model(traced_before.checkpoint, folder, overwrite=True)
    assert (folder / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"to": "tflite"}, "to must be one of onnx, openvino"),
        ({"layout": "kaldi"}, "layout must be one of transformers"),
        ({"head": "speaker"}, "head must be one of ctc"),
        ({"to": "openvino", "int8": True}, "int8 is for ONNX files"),
        ({"to": "openvino", "layout": "onnx-asr"}, "onnx-asr runs ONNX files"),
        ({"speech": "manifest.jsonl", "layout": "onnx-asr"}, "word error rates need a CTC head"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(
    traced_before: Any, tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        export_model(traced_before.checkpoint, tmp_path / "new", **arguments)
    assert not list(tmp_path.iterdir())


def test_a_head_that_is_not_there_is_refused(traced_before: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no head for xvector; its weights are for ctc"):
        export_model(traced_before.checkpoint, tmp_path / "new", head="xvector")


def test_a_pre_trained_checkpoint_gives_features(tmp_path: Path) -> None:
    values = {"codevector_dim": 8, "num_codevectors_per_group": 4, "proj_codevector_dim": 8}
    save_checkpoint("ForPreTraining", tmp_path, **values)
    assert load_head(tmp_path).name == "features"


def test_a_missing_package_is_named_before_the_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(onnx_writing, "find_spec", lambda name: None if name == "onnx" else name)
    with pytest.raises(MissingExtraError, match=r"exporting a model needs the package onnx\b"):
        export_model(tmp_path / "no-such-model", tmp_path / "new")
    monkeypatch.setattr(
        onnx_writing, "find_spec", lambda name: None if name == "openvino" else name
    )
    with pytest.raises(MissingExtraError, match="exporting to OpenVINO needs the package openvino"):
        export_model(tmp_path / "no-such-model", tmp_path / "new", to="openvino")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda:0"}, "run on the CPU here"),
        ({"target_lang": "ara"}, "has one language"),
        ({"runtime": "torch"}, "without weights, which torch cannot run"),
        ({"runtime": "tvm"}, "runtime must be one of auto, torch, onnx, openvino"),
    ],
)
def test_what_an_exported_model_cannot_do_is_said(
    traced_before: Any, options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading = "wav2vec2_conformer.inference.loading"
    monkeypatch.setattr(f"{loading}.choose_device", lambda _: torch.device("cpu"))
    arguments: Any = {"device": "cpu", "compute_type": "float32", **options}
    with pytest.raises((CheckpointError, InputError), match=message):
        load_ctc(traced_before.folder, **arguments)


def test_exports_of_other_heads_do_not_transcribe(exported: Callable[[str], Any]) -> None:
    with pytest.raises(CheckpointError, match="ForSequenceClassification, and transcripts need"):
        Transcriber.from_pretrained(exported("classification").folder, device="cpu")


def test_a_checkpoint_has_no_graph(traced_before: Any) -> None:
    with pytest.raises(CheckpointError, match=r"no graph for the runtime 'onnx'.*--to onnx"):
        load_ctc(traced_before.checkpoint, device="cpu", compute_type="float32", runtime="onnx")
