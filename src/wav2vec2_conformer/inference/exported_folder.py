"""Folders that hold a model as a graph, and what runs them here."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from wav2vec2_conformer.checkpoints.graph_file import (
    ONNX_INT8_NAME,
    OPENVINO_NAME,
    REPORT_NAME,
    find_graph,
    has_weights,
)
from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.inference.onnx_runtime import OnnxGraph
from wav2vec2_conformer.inference.openvino_runtime import OpenVinoGraph

Runtime: TypeAlias = Literal["auto", "torch", "onnx", "openvino"]
Graph: TypeAlias = OnnxGraph | OpenVinoGraph

# Vocabularies of other programs, whose layouts of a folder this package writes only.
_FOREIGN_FILES = {"vocab.txt": "onnx-asr", "tokens.txt": "sherpa-onnx"}


def choose_runtime(folder: str | Path, runtime: Runtime = "auto") -> Runtime:
    """Return what is to run the model of a folder: `torch`, `onnx` or `openvino`.

    Args:
        folder: Any folder, or a name on the hub.
        runtime: `auto` takes what was fastest when the model was exported, of what is installed
            and can run what the folder holds (`report.json`; weights beside a quantized graph
            run in torch, for they are more exact). Where nothing was measured it takes torch for
            weights, and for an ONNX file ONNX Runtime or, where only that is installed,
            OpenVINO. A file of OpenVINO is run by it.

    Raises:
        CheckpointError: The folder has nothing that the runtime can run, or is laid out for
            another program.
        InputError: There is no such runtime.
    """
    if runtime not in get_args(Runtime):
        raise InputError(
            f"runtime must be one of {', '.join(get_args(Runtime))}, but is {runtime!r}."
        )
    graph = find_graph(folder)
    if graph is None:
        if runtime in {"onnx", "openvino"}:
            raise CheckpointError(
                f"{folder}: holds no graph for the runtime {runtime!r}. Make one with: "
                f"wav2vec2-conformer export -m {folder} -o DIR --to {runtime}"
            )
        return "torch"
    chosen = _choose_fastest(graph) if runtime == "auto" else runtime
    if chosen == "torch":
        if has_weights(graph.parent):
            return "torch"
        raise CheckpointError(
            f"{folder}: is an exported model without weights, which torch cannot run. Use the "
            "checkpoint that it was made of; transcribe, stream, align and evaluate can also run "
            "the export itself (runtime 'auto')."
        )
    _refuse_foreign(graph.parent)
    if chosen == "onnx" and graph.name == OPENVINO_NAME:
        raise CheckpointError(
            f"{graph}: is a model of OpenVINO, which ONNX Runtime cannot run. Export it with "
            "--to onnx, or use the runtime 'openvino'."
        )
    return chosen


def installed_runtimes(graph: Path) -> list[Runtime]:
    """Return what can run a graph and is installed, the one to prefer unmeasured first.

    Args:
        graph: What `find_graph` returned.
    """
    packages: dict[Runtime, str] = {"onnx": "onnxruntime", "openvino": "openvino"}
    if graph.name == OPENVINO_NAME:
        del packages["onnx"]
    return [runtime for runtime, package in packages.items() if find_spec(package) is not None]


def open_graph(path: Path, runtime: Runtime) -> Graph:
    """Load a graph.

    Args:
        path: What `find_graph` returned.
        runtime: `onnx` or `openvino`, as `choose_runtime` returned it.

    Raises:
        CheckpointError: The file cannot be read.
        MissingExtraError: The runtime is not installed.
    """
    return OpenVinoGraph(path) if runtime == "openvino" else OnnxGraph(path)


def _refuse_foreign(folder: Path) -> None:
    for name, program in _FOREIGN_FILES.items():
        if (folder / name).is_file() and not (folder / "preprocessor_config.json").is_file():
            raise CheckpointError(
                f"{folder}: is laid out for {program}, which can run it. For this package, export "
                "with --layout transformers."
            )


def _choose_fastest(graph: Path) -> Runtime:
    candidates = installed_runtimes(graph)
    if has_weights(graph.parent):
        if graph.name == ONNX_INT8_NAME:
            return "torch"
        candidates.insert(0, "torch")
    times = _read_times(graph)
    measured = [runtime for runtime in candidates if runtime in times]
    if measured:
        return min(measured, key=times.__getitem__)
    if candidates:
        return candidates[0]
    # Says what to install.
    return "openvino" if graph.name == OPENVINO_NAME else "onnx"


def _read_times(graph: Path) -> dict[Runtime, float]:
    """Return the times of runtimes in units of torch's; none where nothing was measured."""
    try:
        report = json.loads((graph.parent / REPORT_NAME).read_text(encoding="utf-8"))
        if report["file"] != graph.name:
            return {}
        times: dict[Runtime, float] = {
            runtime: measured["exported_s"] / measured["torch_s"]
            for runtime, measured in report["runtimes"].items()
        }
    # Reports of other commands have the same name, and a time is not worth an error.
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ZeroDivisionError):
        return {}
    return {"torch": 1.0, **times}
