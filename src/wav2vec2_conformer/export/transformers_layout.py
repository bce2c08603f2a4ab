"""The layout of transformers: its inputs and outputs, and the checkpoint's files beside the graph.

This package runs it, and so do programs that take ONNX models of transformers.
"""

import copy
import json
from pathlib import Path
from typing import Any

from wav2vec2_conformer.export.heads import HeadName, LoadedHead
from wav2vec2_conformer.export.masked_model import MaskedModel
from wav2vec2_conformer.export.traced_head import MASK, TracedHead, hop_samples, takes_features
from wav2vec2_conformer.inference.fused_language_model import (
    SETTINGS_NAME,
    load_bundled_language_model,
    save_bundled_language_model,
)
from wav2vec2_conformer.text.vocabulary import write_processor

_OUTPUTS: dict[HeadName, tuple[str, ...]] = {
    "ctc": ("logits",),
    "classification": ("logits",),
    "frame-classification": ("logits",),
    "xvector": ("logits", "embeddings"),
    "features": ("last_hidden_state",),
}


def trace(head: LoadedHead) -> TracedHead:
    """Return a head with the inputs and outputs that transformers gives it."""
    model, outputs = head.model, _OUTPUTS[head.name]
    extra_length = 0
    if head.name == "xvector":
        extra_length = _frames_needed(model)
        extra_length *= 1 if takes_features(model) else hop_samples(model)
    return TracedHead(
        MaskedModel(model, outputs, extra_length=extra_length).eval(),
        model,
        ("input_features" if takes_features(model) else "input_values", "attention_mask"),
        MASK,
        outputs,
    )


def write_files(head: LoadedHead, folder: Path) -> None:
    """Write `config.json`, the preprocessing and, where there is one, the language model.

    Args:
        head: The model.
        folder: Where its graph is.

    Raises:
        CheckpointError: The checkpoint's `language_model.json` cannot be used.
        InputError: Its language model is damaged.
    """
    config = copy.deepcopy(head.model.config)
    config.architectures = [type(head.model).__name__]
    config.save_pretrained(folder)
    if head.name != "ctc":
        head.feature_extractor.save_pretrained(folder)
        return
    write_processor(head.preprocessing, folder)
    fused = load_bundled_language_model(head.place)
    if fused is not None:
        settings = Path(head.place) / SETTINGS_NAME
        name = json.loads(settings.read_text(encoding="utf-8"))["language_model"]
        save_bundled_language_model(folder, settings.with_name(name), fused[1], copy=True)


def _frames_needed(model: Any) -> int:
    """Return the frames of the encoder that the layers over time of an x-vector take away."""
    frames_lost: int = model._frames_lost  # noqa: SLF001
    if model.config.add_adapter:
        frames_lost *= model.config.adapter_stride**model.config.num_adapter_layers
    return frames_lost
