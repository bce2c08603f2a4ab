"""8-bit weights for graphs in ONNX files."""

import logging
from pathlib import Path

from wav2vec2_conformer.errors import MissingExtraError


def quantize_linear_layers(source: Path, target: Path) -> None:
    """Write a graph whose matrix products run in 8 bits.

    Weights get a scale for each output; activations get theirs when the graph runs ("dynamic
    quantization"). Of the weights' 8 bits 7 are used: processors with AVX2 or AVX-512 but without
    VNNI add pairs of products in 16 bits, which two of 8 by 8 overflow. Convolutions stay in
    float32: ONNX Runtime runs them slower in 8 bits, and the feature encoder loses most by it.

    Args:
        source: ONNX file in float32.
        target: The file to write.

    Raises:
        MissingExtraError: onnxruntime is not installed.
    """
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError("quantizing a model", "onnxruntime", "onnx") from error
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises other steps through the root logger
    try:
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul", "Gemm"],
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            # Of the attention, both sides are activations: those products stay in float32.
            extra_options={"MatMulConstBOnly": True},
        )
    finally:
        root.setLevel(level)
