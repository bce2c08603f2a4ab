"""Traced models as ONNX files."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from wav2vec2_conformer.errors import CheckpointError, MissingExtraError
from wav2vec2_conformer.export.traced_head import LENGTHS, TracedHead

# The newest that ONNX Runtime 1.17 and the copy inside sherpa-onnx read.
OPSET = 18
_LARGEST_BATCH = 1 << 15
_EXAMPLES = (8, 5)  # lengths in units of the shortest input


def check_packages(*, to_openvino: bool = False) -> None:
    """Refuse to begin what cannot be finished.

    Args:
        to_openvino: Whether the graph is to become one of OpenVINO.

    Raises:
        MissingExtraError: A package that writes or checks graphs is not installed.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        if find_spec(package) is None:
            raise MissingExtraError("exporting a model", package, "onnx")
    if to_openvino and find_spec("openvino") is None:
        raise MissingExtraError("exporting to OpenVINO", "openvino", "openvino")


def write_onnx(traced: TracedHead, path: Path) -> None:
    """Trace a module and write its graph, for any batch and any length.

    Args:
        traced: What to trace.
        path: The file. Weights above 1.5 GB go into a file beside it.

    Raises:
        CheckpointError: The module cannot be traced.
        MissingExtraError: A package is not installed.
    """
    check_packages()
    from onnxscript.optimizer import fold_constants  # noqa: PLC0415 - optional

    batch: Any = torch.export.Dim("batch", max=_LARGEST_BATCH)
    length: Any = torch.export.Dim("samples", min=traced.min_length)
    shapes: list[dict[int, Any]] = [{0: batch, 1: length}]
    if traced.padding is not None:
        shapes.append({0: batch} if traced.padding == LENGTHS else {0: batch, 1: length})
    # Two of them, of several frames: what is 1 in an example is 1 in the graph.
    examples = traced.make_inputs([round(times * traced.min_length) for times in _EXAMPLES])
    try:
        with torch.no_grad(), _quiet():
            program: Any = torch.onnx.export(
                traced.module,
                examples,
                dynamo=True,
                dynamic_shapes=tuple(shapes),
                input_names=list(traced.inputs),
                output_names=list(traced.outputs),
                opset_version=OPSET,
                verbose=False,
            )
            # Weights behind an index would else be looked up in each run, and stay in float32.
            fold_constants(program.model, should_fold=_is_lookup)
            _name_axes(program.model.graph.outputs)
            program.model.metadata_props.update(traced.metadata)
            program.save(path)
    except torch.onnx.errors.OnnxExporterError as error:
        # Its own text is advice for programmers; the cause is in what it was raised from.
        cause = error.__cause__ or error
        raise CheckpointError(
            f"the model cannot be traced by torch {torch.__version__}: "
            f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}"
        ) from error


def _name_axes(outputs: Any) -> None:
    """Call what varies of the outputs `batch` and `frames`, not by its formula."""
    for output in outputs:
        names = zip(output.shape, ("batch", "frames"), strict=False)
        for axis, (size, name) in enumerate(names):
            if not isinstance(size, int):
                output.shape[axis] = name


def _is_lookup(node: Any) -> bool | None:
    """Whether to fold a node of any size; None leaves it to the sizes."""
    return True if node.op_type == "Gather" else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notices about its own parts off the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
