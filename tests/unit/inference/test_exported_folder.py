"""What runs an exported folder: what it holds, what is installed, what was measured."""

import json
from pathlib import Path
from typing import Any

import pytest

from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.inference import exported_folder
from wav2vec2_conformer.inference.exported_folder import choose_runtime


def install(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Let these packages alone be there."""
    monkeypatch.setattr(
        exported_folder, "find_spec", lambda name: name if name in packages else None
    )


@pytest.fixture(autouse=True)
def both_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "onnxruntime", "openvino")


def make_folder(folder: Path, *files: str, times_s: dict[str, float] | None = None) -> Path:
    """Write empty files and, of times beside a second of torch, a report of the first."""
    for name in files:
        (folder / name).touch()
    if times_s is not None:
        runtimes = {name: {"exported_s": s, "torch_s": 1.0} for name, s in times_s.items()}
        report = {"file": files[0], "runtimes": runtimes}
        (folder / "report.json").write_text(json.dumps(report))
    return folder


def test_unmeasured_weights_run_in_torch_and_graphs_in_onnx_runtime(tmp_path: Path) -> None:
    make_folder(tmp_path, "model.onnx")
    assert choose_runtime(tmp_path) == "onnx"
    make_folder(tmp_path, "model.safetensors")
    assert choose_runtime(tmp_path) == "torch"
    assert choose_runtime(tmp_path, "onnx") == "onnx"
    assert choose_runtime(tmp_path, "openvino") == "openvino"


@pytest.mark.parametrize(
    ("times_s", "has_weights", "expected"),
    [
        ({"onnx": 0.9, "openvino": 0.7}, False, "openvino"),
        ({"onnx": 0.7, "openvino": 0.9}, False, "onnx"),
        ({"onnx": 1.9, "openvino": 1.7}, False, "openvino"),
        ({"onnx": 0.9, "openvino": 0.7}, True, "openvino"),
        ({"onnx": 1.2, "openvino": 1.1}, True, "torch"),
    ],
)
def test_the_fastest_of_the_record_is_taken_unless_another_is_asked_for(
    tmp_path: Path, times_s: dict[str, float], has_weights: bool, expected: str
) -> None:
    weights = ["model.safetensors"] if has_weights else []
    folder = make_folder(tmp_path, "model.onnx", *weights, times_s=times_s)
    assert choose_runtime(folder) == expected
    assert choose_runtime(folder, "onnx") == "onnx"


def test_the_fastest_is_looked_for_among_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(tmp_path, "model.onnx", times_s={"onnx": 0.9, "openvino": 0.7})
    install(monkeypatch, "onnxruntime")
    assert choose_runtime(folder) == "onnx"


def test_openvino_runs_onnx_files_where_it_alone_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(tmp_path, "model.onnx")
    install(monkeypatch, "openvino")
    assert choose_runtime(folder) == "openvino"
    install(monkeypatch)
    assert choose_runtime(folder) == "onnx"  # opening it says what to install


def test_a_quantized_graph_does_not_take_the_place_of_weights(tmp_path: Path) -> None:
    folder = make_folder(
        tmp_path, "model.int8.onnx", "model.safetensors", times_s={"onnx": 0.4, "openvino": 0.5}
    )
    assert choose_runtime(folder) == "torch"
    assert choose_runtime(folder, "onnx") == "onnx"


def test_a_file_of_openvino_runs_in_nothing_else(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, "openvino_model.xml")
    assert choose_runtime(folder) == "openvino"
    with pytest.raises(CheckpointError, match=r"which ONNX Runtime cannot run.*'openvino'"):
        choose_runtime(folder, "onnx")
    with pytest.raises(CheckpointError, match="without weights, which torch cannot run"):
        choose_runtime(folder, "torch")


@pytest.mark.parametrize(
    "report",
    [
        "{",
        [],
        {"systems": []},
        {"file": "model.onnx", "runtimes": {"openvino": {}}},
        {"file": "model.onnx", "runtimes": {"openvino": {"exported_s": 1, "torch_s": 0}}},
        {"file": "other.onnx", "runtimes": {"openvino": {"exported_s": 1, "torch_s": 2}}},
    ],
)
def test_a_report_of_something_else_decides_nothing(tmp_path: Path, report: Any) -> None:
    folder = make_folder(tmp_path, "model.onnx")
    text = report if isinstance(report, str) else json.dumps(report)
    (folder / "report.json").write_text(text)
    assert choose_runtime(folder) == "onnx"
