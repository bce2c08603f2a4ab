"""Models as ONNX or OpenVINO graphs, in the layouts that other programs run."""

from wav2vec2_conformer.export.model_export import export_model

__all__ = ["export_model"]
