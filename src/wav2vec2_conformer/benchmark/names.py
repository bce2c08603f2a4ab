"""Names of who is measured."""

OURS, OURS_INT8 = "ours", "ours int8"
TRANSFORMERS, EAGER, COMPILED = "transformers", "transformers eager", "transformers compiled"
ONNX, ONNX_INT8, OPENVINO = "ONNX Runtime", "ONNX Runtime int8", "OpenVINO"
MACHINE = "machine"
