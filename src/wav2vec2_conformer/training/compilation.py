"""Compiled training: `torch.compile` for the encoder's blocks."""

from collections.abc import Callable
from typing import Any

import torch


def compile_blocks(model: Any, *, backend: str = "inductor") -> None:
    """Let torch compile the encoder's blocks for training.

    The blocks are alike, so the first one's code serves all, whereas a compiled model would
    hold each of them again, and the feature encoder and the losses, which gain nothing. The
    number of frames stays open: batches have many lengths. Evaluation is left as it is; it
    packs the frames of a batch, whose lengths would have to be compiled one by one.

    Args:
        model: Model of this package, or a `PeftModel` around one; changed.
        backend: Backend of `torch.compile`.
    """
    plain = model.get_base_model() if hasattr(model, "peft_config") else model
    for block in plain.base_model.encoder.layers:
        compiled = torch.compile(block.forward, backend=backend, dynamic=True)
        block.forward = _choose_forward(block, compiled, block.forward)


def _choose_forward(
    block: Any, compiled: Callable[..., Any], plain: Callable[..., Any]
) -> Callable[..., Any]:
    def forward(*inputs: Any, **options: Any) -> Any:
        return (compiled if block.training else plain)(*inputs, **options)

    return forward
