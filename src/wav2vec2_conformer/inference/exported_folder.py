"""Folders that hold a model as a graph instead of weights, and what can run them here."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from wav2vec2_conformer.checkpoints.graph_file import OPENVINO_NAME, find_graph, has_weights
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
        runtime: `auto` takes torch where the folder has weights. An ONNX file is run by ONNX
            Runtime or, where only that is installed, by OpenVINO; a file of OpenVINO by it.

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
    if has_weights(graph.parent) and runtime in {"auto", "torch"}:
        return "torch"
    if runtime == "torch":
        raise CheckpointError(
            f"{folder}: is an exported model without weights, which torch cannot run. Use the "
            "checkpoint that it was made of, or the runtime 'auto'."
        )
    _refuse_foreign(graph.parent)
    return _choose_for_graph(graph, runtime)


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


def _choose_for_graph(graph: Path, runtime: Runtime) -> Runtime:
    if graph.name == OPENVINO_NAME:
        if runtime == "onnx":
            raise CheckpointError(
                f"{graph}: is a model of OpenVINO, which ONNX Runtime cannot run. Export it with "
                "--to onnx, or use the runtime 'openvino'."
            )
        return "openvino"
    if runtime != "auto":
        return runtime
    if find_spec("onnxruntime") is None and find_spec("openvino") is not None:
        return "openvino"
    return "onnx"  # says what to install where it is not
