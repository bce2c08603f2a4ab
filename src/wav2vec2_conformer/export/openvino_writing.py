"""Graphs in ONNX files as models of OpenVINO."""

from pathlib import Path

from wav2vec2_conformer.errors import MissingExtraError


def write_openvino(source: Path, target: Path) -> None:
    """Write a graph as OpenVINO's `.xml` and, beside it, its weights as `.bin`, in float32.

    `openvino.convert_model` would do the same and ask to send usage statistics; reading and
    writing do not.

    Args:
        source: ONNX file.
        target: The `.xml` file to write.

    Raises:
        MissingExtraError: openvino is not installed.
    """
    try:
        import openvino  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError("exporting to OpenVINO", "openvino", "openvino") from error
    model = openvino.Core().read_model(str(source))
    openvino.save_model(model, str(target), compress_to_fp16=False)
