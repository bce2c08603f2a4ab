"""Exported graphs run by ONNX Runtime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wav2vec2_conformer.errors import CheckpointError, MissingExtraError


class OnnxGraph:
    """A graph in an ONNX file, run on the CPU with as many threads as torch has here.

    Args:
        path: The file; large models have their weights in a file beside it.

    Attributes:
        input_names: Names of the arrays that it takes.
        output_names: Names of the arrays that it gives.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        CheckpointError: The file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime  # noqa: PLC0415 - optional
        except ImportError as error:
            raise MissingExtraError("running an ONNX model", "onnxruntime", "onnx") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors, which are also raised
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        # Its many classes of errors have no other class in common.
        except Exception as error:
            raise CheckpointError(
                f"{path}: ONNX Runtime cannot load it: {' '.join(str(error).split())}"
            ) from error
        self.input_names = [value.name for value in self._session.get_inputs()]
        self.output_names = [value.name for value in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Return the outputs by their names.

        Args:
            inputs: Arrays by their names.
        """
        outputs = self._session.run(None, dict(inputs))
        return dict(zip(self.output_names, outputs, strict=True))
