"""Exported graphs run by OpenVINO."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wav2vec2_conformer.errors import CheckpointError, MissingExtraError


class OpenVinoGraph:
    """A graph of OpenVINO or in an ONNX file, run on the CPU with torch's number of threads.

    Args:
        path: `openvino_model.xml`, its weights in the `.bin` file beside it, or an ONNX file.

    Attributes:
        input_names: Names of the arrays that it takes.
        output_names: Names of the arrays that it gives.

    Raises:
        MissingExtraError: openvino is not installed.
        CheckpointError: The file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            import openvino  # noqa: PLC0415 - optional
        except ImportError as error:
            raise MissingExtraError("running an OpenVINO model", "openvino", "openvino") from error
        settings = {
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            # Where a processor has bfloat16, OpenVINO would compute in it by itself.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        try:
            core = openvino.Core()
            self._model: Any = core.compile_model(core.read_model(str(path)), "CPU", settings)
        except RuntimeError as error:
            raise CheckpointError(
                f"{path}: OpenVINO cannot load it: {' '.join(str(error).split())}"
            ) from error
        self.input_names = [value.get_any_name() for value in self._model.inputs]
        self.output_names = [value.get_any_name() for value in self._model.outputs]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Return the outputs by their names.

        Args:
            inputs: Arrays by their names.
        """
        outputs = self._model(dict(inputs))
        # Copies: the next run writes over what it returns.
        return {name: outputs[name].copy() for name in self.output_names}
