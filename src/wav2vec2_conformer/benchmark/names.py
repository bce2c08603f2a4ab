"""Names of who is measured."""

OURS, OURS_INT8 = "ours", "ours int8"
OURS_FLEX, OURS_GRAPHS = "ours FlexAttention", "ours CUDA graphs"
TRANSFORMERS, EAGER, COMPILED = "transformers", "transformers eager", "transformers compiled"
ONNX, ONNX_INT8, OPENVINO = "ONNX Runtime", "ONNX Runtime int8", "OpenVINO"
MACHINE = "machine"
