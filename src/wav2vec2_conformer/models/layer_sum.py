"""What the classification heads see: the last layer, or a learned mean of all layers."""

import torch
from torch import Tensor, nn

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.models.bare_network import BareNetwork, Encoded


def build_layer_weights(config: Wav2Vec2ConformerConfig) -> nn.Parameter | None:
    """Return one weight per hidden state, all alike, if `use_weighted_layer_sum` is set."""
    if not config.use_weighted_layer_sum:
        return None
    num_states = config.num_hidden_layers + 1
    return nn.Parameter(torch.full((num_states,), 1.0 / num_states))


def encode_for_head(
    base: BareNetwork,
    layer_weights: nn.Parameter | None,
    input_values: Tensor,
    attention_mask: Tensor | None,
    *,
    output_attentions: bool | None,
    output_hidden_states: bool | None,
) -> tuple[Tensor, Tensor | None, Encoded]:
    """Run the bare model.

    Args:
        base: The bare model.
        layer_weights: Weights of the hidden states before their softmax; None: the last layer.
        input_values: See `Wav2Vec2ConformerModel.forward`.
        attention_mask: See `Wav2Vec2ConformerModel.forward`.
        output_attentions: See `Wav2Vec2ConformerModel.forward`.
        output_hidden_states: See `Wav2Vec2ConformerModel.forward`.

    Returns:
        Frames [B, T, C], how many of them are valid [B] (None: all), and all that was encoded.
        A weighted sum is taken before the adapter, so it has its own length.
    """
    out = base.encode(
        input_values,
        attention_mask,
        output_attentions=output_attentions,
        output_hidden_states=output_hidden_states,
        layer_weights=None if layer_weights is None else layer_weights.softmax(0),
    )
    if out.weighted_sum is None:
        return out.last_hidden_state, out.output_lengths, out
    return out.weighted_sum, out.frame_lengths, out
