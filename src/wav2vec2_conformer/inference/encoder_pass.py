"""Runs of encoders for several heads: one where their checkpoints share the encoder.

Shapes used in this file:
    N  hidden states: what goes into the first block, and each block's output
    T  frames
    D  width of the encoder
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wav2vec2_conformer.checkpoints.encoder_digest import digest_encoder
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.head_loading import LoadedEncoder
from wav2vec2_conformer.inference.hidden_frames import HiddenFrames

# A model with a head, and its feature extractor or processor.
Head = tuple[Any, Any]
# What an encoder's result depends on besides its weights.
_ENCODER_VALUES = (
    "model_type",
    "num_attention_heads",
    "conv_kernel",
    "conv_stride",
    "position_embeddings_type",
    "rotary_embedding_base",
    "hidden_act",
    "feat_extract_norm",
    "feat_extract_activation",
    "layer_norm_eps",
    "exact_padding",
)


@dataclass(frozen=True, slots=True, eq=False)
class EncoderPass:
    """A run of one encoder.

    Attributes:
        heads: Names of the heads that it is for.
        frames: Cuts recordings and runs the encoder.
    """

    heads: tuple[str, ...]
    frames: HiddenFrames


def plan_passes(
    heads: Mapping[str, Head], *, window_s: float, context_s: float
) -> list[EncoderPass]:
    """Group heads whose models have equal encoders.

    Args:
        heads: Name to model and feature extractor, in the order in which they are to run.
        window_s: Longest piece of audio that the models see at once, in seconds.
        context_s: Part of it on each side that is context only.

    Raises:
        InputError: When the models want different rates, one of them has an adapter, which
            stands between encoder and head, or a window is not longer than its context.
    """
    rates_hz = {name: int(extractor.sampling_rate) for name, (_, extractor) in heads.items()}
    if len(set(rates_hz.values())) > 1:
        wanted = ", ".join(f"{name} {rate_hz} Hz" for name, rate_hz in rates_hz.items())
        raise InputError(f"the models hear different sample rates: {wanted}.")
    groups: dict[tuple[Any, ...], list[str]] = {}
    for name, (model, extractor) in heads.items():
        if model.config.add_adapter:
            raise InputError(
                f"the model for {name} has an adapter between encoder and head. Run it on its own."
            )
        groups.setdefault(_describe(model, extractor), []).append(name)
    passes = []
    for names in groups.values():
        model, extractor = heads[names[0]]
        encoder = LoadedEncoder(model.base_model, extractor, None, None, "")
        frames = HiddenFrames(encoder, "all", window_s=window_s, context_s=context_s)
        passes.append(EncoderPass(tuple(names), frames))
    return passes


def choose_layer(
    states: NDArray[np.float32], layer_weights: torch.Tensor | None
) -> NDArray[np.float32]:
    """Return what a head sees of all hidden states, shape (T, D).

    Args:
        states: Shape (N, T, D).
        layer_weights: The head's weights of the states before their softmax, shape (N,); None
            for the last state.
    """
    if layer_weights is None:
        return states[-1]
    weights = layer_weights.detach().float().softmax(0).cpu().numpy()
    frames: NDArray[np.float32] = np.einsum("n,ntd->td", weights, states)
    return frames


def _describe(model: Any, extractor: Any) -> tuple[Any, ...]:
    """Return what is equal for models that make the same hidden states of a recording."""
    values = [getattr(model.config, name, None) for name in _ENCODER_VALUES]
    return (
        digest_encoder(model.base_model.state_dict()),
        bool(extractor.do_normalize),
        str(model.dtype),
        str(model.device),
        *(tuple(value) if isinstance(value, list) else value for value in values),
    )
