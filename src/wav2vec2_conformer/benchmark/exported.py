"""transformers' CTC model in ONNX Runtime and OpenVINO, exported by what comes with each."""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from wav2vec2_conformer.benchmark.implementations import Forward
from wav2vec2_conformer.benchmark.names import ONNX_INT8, OPENVINO

_INPUT, _OUTPUT = "input_values", "logits"


class _Logits(nn.Module):
    """A CTC model that returns its logits alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_values: Tensor) -> Tensor:
        logits: Tensor = self.model(input_values).logits
        return logits


def build_exported(runtime: str, model: nn.Module, example: Tensor) -> Forward:
    """Return a function from waveforms (B, L) to logits (B, T, vocab_size).

    Args:
        runtime: Its name.
        model: transformers' model.
        example: Waveforms of the shape that will be run; relative positions of transformers
            cannot be exported for all lengths.

    Raises:
        ImportError: The runtime is not installed.
    """
    if runtime == OPENVINO:
        return _build_openvino(_Logits(model), example)
    return _build_onnx(_Logits(model), example, int8=runtime == ONNX_INT8)


def _build_openvino(model: nn.Module, example: Tensor) -> Forward:
    import openvino  # noqa: PLC0415 - of an extra

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about lengths that become constants
        converted = openvino.convert_model(model, example_input=example)
    compiled = openvino.compile_model(
        converted,
        "CPU",
        {
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": "f32",  # its default is bfloat16 where the machine has it
        },
    )
    return lambda waveforms: torch.from_numpy(compiled([waveforms.numpy()])[0])


def _build_onnx(model: nn.Module, example: Tensor, *, int8: bool) -> Forward:
    import onnxruntime  # noqa: PLC0415 - of an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Between two runs its threads would spin, while the others have their turns.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    with tempfile.TemporaryDirectory(prefix="w2vc-onnx-") as folder:
        path = Path(folder) / "model.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the exporter's own insides
            torch.onnx.export(
                model, (example,), path, input_names=[_INPUT], output_names=[_OUTPUT], dynamo=True
            )
        if int8:
            from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415

            quantized = path.with_name("int8.onnx")
            quantize_dynamic(
                path,
                quantized,
                op_types_to_quantize=["MatMul", "Gemm"],
                weight_type=QuantType.QInt8,
            )
            path = quantized
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def forward(waveforms: Tensor) -> Tensor:
        [logits] = session.run([_OUTPUT], {_INPUT: waveforms.numpy()})
        return torch.from_numpy(np.asarray(logits))

    return forward
