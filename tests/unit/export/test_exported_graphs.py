"""Exported graphs beside the models they were made of."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("onnxscript")
onnx = pytest.importorskip("onnx")

from wav2vec2_conformer.export import parity, transformers_layout  # noqa: E402
from wav2vec2_conformer.export.heads import load_head  # noqa: E402
from wav2vec2_conformer.export.quantization import quantize_linear_layers  # noqa: E402
from wav2vec2_conformer.inference.exported_folder import installed_runtimes, open_graph  # noqa: E402
from wav2vec2_conformer.inference.onnx_runtime import OnnxGraph  # noqa: E402

TOLERANCE = 1e-4
# Samples; the first is one frame, and none is what the tracer saw.
LENGTHS = (960, 4001, 16_000, 30_007)


def run_alone(model: Any, values: torch.Tensor, name: str) -> np.ndarray:
    with torch.inference_mode():
        return getattr(model(values[None], return_dict=True), name)[0].numpy()


def padded(clips: list[torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Return clips in a batch, with garbage behind the short ones, and their mask."""
    longest = max(len(clip) for clip in clips)
    values = torch.full((len(clips), longest, *clips[0].shape[1:]), 7.0)
    mask = torch.zeros(len(clips), longest, dtype=torch.long)
    for row, clip in enumerate(clips):
        values[row, : len(clip)] = clip
        mask[row, : len(clip)] = 1
    return values.numpy(), mask.numpy()


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("ctc", "logits"),
        ("classification", "logits"),
        ("frames", "logits"),
        ("xvector", "logits"),
        ("xvector", "embeddings"),
        ("features", "last_hidden_state"),
        ("frames-relative", "logits"),
    ],
)
def test_each_row_of_a_padded_batch_is_what_torch_makes_of_it_alone(
    exported: Callable[[str], Any], name: str, output: str
) -> None:
    """In ONNX Runtime and, where that is installed, in OpenVINO."""
    export = exported(name)
    clips = [torch.randn(length) for length in LENGTHS]
    values, mask = padded(clips)
    for runtime in installed_runtimes(export.folder / "model.onnx"):
        graph = open_graph(export.folder / "model.onnx", runtime)
        given = graph.run({"input_values": values, "attention_mask": mask})[output]
        for row, clip in enumerate(clips):
            expected = run_alone(export.model, clip, output)
            assert np.abs(expected).max() > 10 * TOLERANCE
            valid = given[row, : len(expected)]
            np.testing.assert_allclose(valid, expected, rtol=0, atol=TOLERANCE)


def test_one_clip_alone_and_two_minutes_of_it(exported: Callable[[str], Any]) -> None:
    """3,000 frames, where the reference's export would end after `max_source_positions`."""
    export = exported("ctc")
    graph = OnnxGraph(export.folder / "model.onnx")
    for seconds in (0.06, 120):
        values = torch.randn(round(seconds * 16_000))
        batch, mask = padded([values])
        given = graph.run({"input_values": batch, "attention_mask": mask})["logits"][0]
        expected = run_alone(export.model, values, "logits")
        np.testing.assert_allclose(given, expected, rtol=0, atol=TOLERANCE)


def test_a_model_of_log_mel_features_is_exported_from_them_on(exported_bert: Any) -> None:
    clips = [torch.randn(length, 20) for length in (1, 33, 90)]
    values, mask = padded(clips)
    graph = OnnxGraph(exported_bert.folder / "model.onnx")
    given = graph.run({"input_features": values, "attention_mask": mask})["last_hidden_state"]
    for row, clip in enumerate(clips):
        expected = run_alone(exported_bert.model, clip, "last_hidden_state")
        np.testing.assert_allclose(given[row, : len(clip)], expected, rtol=0, atol=TOLERANCE)


def test_the_report_says_what_was_compared(exported: Callable[[str], Any]) -> None:
    report = exported("ctc").report
    assert report["largest_difference"] < TOLERANCE
    assert [len(case["lengths_s"]) for case in report["differences"]] == [1, 1, 1, 3]
    assert report["precision"] == "float32"
    assert list(report["runtimes"]) == installed_runtimes(exported("ctc").folder / "model.onnx")
    for measured in report["runtimes"].values():
        assert measured["audio_s"] == 30.0
        assert measured["largest_difference"] < TOLERANCE
        assert measured["torch_s"] > 0 < measured["exported_s"]
    assert "word_errors" not in report  # there is no Z in its vocabulary
    assert report["graph_bytes"] > report["weight_bytes"] / 2


@pytest.mark.parametrize(("enough_s", "num_runs"), [(0.0, 1), (100.0, 4)])
def test_what_takes_long_is_timed_once(
    exported: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
    enough_s: float,
    num_runs: int,
) -> None:
    monkeypatch.setattr(parity, "_ENOUGH_S", enough_s)
    monkeypatch.setattr(parity, "SPEED_CASE_S", 1.0)
    export = exported("ctc")
    graph = OnnxGraph(export.folder / "model.onnx")
    lengths: list[tuple[int, ...]] = []

    class Counted:
        def run(self, inputs: Any) -> Any:
            lengths.append(inputs["input_values"].shape)
            return graph.run(inputs)

    counted: Any = Counted()
    speed = parity.measure_speed(transformers_layout.trace(load_head(export.checkpoint)), counted)
    assert lengths == [(1, 16_000)] * num_runs
    assert 0 < speed.exported_s < 10


def test_axes_have_names(exported: Callable[[str], Any]) -> None:
    graph = onnx.load(exported("ctc").folder / "model.onnx").graph
    axes = [
        [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    ]
    assert axes == [["batch", "samples"], ["batch", "samples"], ["batch", "frames", 15]]


def test_quantizing_leaves_convolutions_and_products_of_activations_alone(
    exported: Callable[[str], Any], tmp_path: Any
) -> None:
    source, target = exported("ctc").folder / "model.onnx", tmp_path / "model.int8.onnx"
    quantize_linear_layers(source, target)
    before, after = ([node.op_type for node in onnx.load(p).graph.node] for p in (source, target))
    assert after.count("Conv") == before.count("Conv") > 0
    assert "ConvInteger" not in after
    # Linear: 2 x 2 in feed-forwards, 4 + 1 in the attention, 2 in the convolution, and two
    # outside of the block. Products of activations: with keys, positions and values.
    assert after.count("MatMulInteger") == 11 + 2
    assert after.count("MatMul") == 3
    values, mask = padded([torch.randn(16_000)])
    inputs = {"input_values": values, "attention_mask": mask}
    full, quantized = (OnnxGraph(p).run(inputs)["logits"] for p in (source, target))
    difference = np.abs(full - quantized).max()
    assert 0 < difference < 0.1 * np.abs(full).max()
