"""Tiny models with weights that make every part matter."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import wav2vec2_conformer as package

POSITIONS = ("relative", "rotary", None)
HEADS = (
    "Model",
    "ForCTC",
    "ForSequenceClassification",
    "ForAudioFrameClassification",
    "ForXVector",
    "ForPreTraining",
)

Build = Callable[..., Any]


@pytest.fixture
def build(tiny_config_kwargs: dict[str, Any]) -> Build:
    """Return a function that builds a head in evaluation mode, batch norm not the identity."""

    def build_head(head: str = "Model", **changes: Any) -> Any:
        torch.manual_seed(0)
        config = package.Wav2Vec2ConformerConfig(**{**tiny_config_kwargs, **changes})
        model = getattr(package, f"Wav2Vec2Conformer{head}")(config).eval()
        for name, buffer in model.named_buffers():
            if "running_mean" in name:
                buffer.normal_()
            elif "running_var" in name:
                buffer.uniform_(0.5, 2.0)
        for name, parameter in model.named_parameters():
            if name.endswith(("layer_norm.weight", "layer_norm.bias", "batch_norm.bias")):
                parameter.data += 0.3 * torch.randn_like(parameter)
        return model

    return build_head


@pytest.fixture
def padded() -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Return three waveforms in a padded batch, their mask and their lengths."""
    lengths = [16_000, 9_137, 4_001]
    batch = torch.zeros(3, 16_000)
    mask = torch.zeros(3, 16_000, dtype=torch.long)
    for row, length in enumerate(lengths):
        batch[row, :length] = torch.randn(length)
        mask[row, :length] = 1
    return batch, mask, lengths
