"""A CTC model of a given shape in each implementation that is compared, as one function."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from wav2vec2_conformer.benchmark.names import (
    COMPILED,
    EAGER,
    ONNX,
    ONNX_INT8,
    OPENVINO,
    OURS,
    OURS_FLEX,
    OURS_GRAPHS,
    OURS_INT8,
)
from wav2vec2_conformer.benchmark.weights import fill_by_name
from wav2vec2_conformer.inference.loading import choose_device

Forward = Callable[[Tensor], Tensor]


def build_ctc(implementation: str, settings: dict[str, Any]) -> nn.Module:
    """Return a CTC model in eval mode, with weights that depend on their names alone.

    Args:
        implementation: `ours` or a variant of it, or anything else for transformers'.
        settings: Arguments of the configuration.
    """
    if implementation in {OURS, OURS_INT8, OURS_FLEX, OURS_GRAPHS}:
        import wav2vec2_conformer as package  # noqa: PLC0415 - one of the two is needed
    else:
        import transformers as package  # type: ignore[no-redef]  # noqa: PLC0415
    if implementation == EAGER:
        settings = {**settings, "attn_implementation": "eager"}
    elif implementation == OURS_FLEX:
        settings = {**settings, "attn_implementation": "flex_attention"}
    config = package.Wav2Vec2ConformerConfig(**settings)
    model: nn.Module = package.Wav2Vec2ConformerForCTC(config)
    fill_by_name(model)
    return model.eval()


def build_forward(
    implementation: str,
    settings: dict[str, Any],
    example: Tensor,
    *,
    device: str = "cpu",
    dtype: str = "float32",
) -> tuple[Forward, dict[str, Any]]:
    """Return a function from waveforms (B, L) to logits (B, T, vocab_size), and facts about it.

    Args:
        implementation: One of `names`.
        settings: Arguments of the configuration.
        example: Waveforms of the shape that will be run, for exports.
        device: Where the model lies; waveforms come from the CPU, and logits go back to it.
        dtype: What torch's models calculate in, by torch's name for it.

    Raises:
        ImportError: The library of the implementation is not installed.
        InputError: There is no such device, this processor has no products in 8 bits, or CUDA
            graphs are asked for elsewhere than on CUDA.
    """
    place = choose_device(device)
    if implementation in {ONNX, ONNX_INT8, OPENVINO}:
        from wav2vec2_conformer.benchmark.exported import build_exported  # noqa: PLC0415

        # With the default attention torch's exporter fails at a view of non-contiguous frames.
        return build_exported(implementation, build_ctc(EAGER, settings), example), {}
    precision: torch.dtype = getattr(torch, dtype)
    model = build_ctc(implementation, settings).to(place, precision)
    if implementation == OURS_INT8:
        from wav2vec2_conformer.models.int8 import convert_to_int8  # noqa: PLC0415 - of one

        convert_to_int8(model)
    if implementation == OURS_GRAPHS:
        from wav2vec2_conformer.inference.cuda_graphs import use_cuda_graphs  # noqa: PLC0415

        use_cuda_graphs(model)
    facts = {"weights_mb": sum(stored.nbytes for stored in model.state_dict().values()) / 1e6}
    if implementation == COMPILED:
        model = torch.compile(model)  # type: ignore[assignment]
    return lambda waveforms: model(waveforms.to(place, precision)).logits.cpu(), facts
