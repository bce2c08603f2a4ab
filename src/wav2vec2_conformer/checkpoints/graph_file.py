"""The graph of an exported model, which its folder holds instead of weights."""

from pathlib import Path

ONNX_NAME = "model.onnx"
ONNX_INT8_NAME = "model.int8.onnx"
OPENVINO_NAME = "openvino_model.xml"
# What was measured of it when it was exported.
REPORT_NAME = "report.json"
_WEIGHT_PATTERNS = ("*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin")


def find_graph(folder: str | Path) -> Path | None:
    """Return the graph of an exported folder; None where there is none.

    Args:
        folder: Any folder, or a name on the hub, which has none.
    """
    for name in (ONNX_NAME, ONNX_INT8_NAME, OPENVINO_NAME):
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    return None


def has_weights(folder: str | Path) -> bool:
    """Whether a folder holds a model's weights, which torch can load."""
    return any(any(Path(folder).glob(pattern)) for pattern in _WEIGHT_PATTERNS)
