"""`Wav2Vec2ConformerEncoder`: the stack of blocks, usable on its own."""

from typing import Any

from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from wav2vec2_conformer.configuration import (
    Wav2Vec2BertConfig,
    Wav2Vec2Config,
    Wav2Vec2ConformerConfig,
)
from wav2vec2_conformer.configuration.activations import activation_called
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn.encoder import Encoder
from wav2vec2_conformer.nn.layer import ConformerLayer
from wav2vec2_conformer.nn.positional_convolution import PositionalConvolution
from wav2vec2_conformer.nn.positions import RotaryPositions
from wav2vec2_conformer.nn.transformer_layer import TransformerLayer
from wav2vec2_conformer.nn.unused_convolution import UnusedPositionalConvolution


class Wav2Vec2ConformerEncoder(Encoder):
    """Blocks built from a configuration: Conformer's, or a neighbour's.

    Args:
        config: Its encoder fields are used.
    """

    def __init__(self, config: Wav2Vec2ConformerConfig) -> None:
        positions: Any = config.position_embeddings_type  # the configuration checks it
        norm: Any = config.encoder_norm  # the same
        super().__init__(
            config.hidden_size,
            (_build_layer(config) for _ in range(config.num_hidden_layers)),
            positions=positions,
            norm=norm,
            rotary=_build_rotary(config) if positions == "rotary" else None,
            positional_convolution=_build_positional_convolution(config),
            eps=config.layer_norm_eps,
            dropout=config.hidden_dropout,
            layer_drop=config.layerdrop,
        )
        self.config = config

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        return_dict: bool = True,
    ) -> BaseModelOutput | tuple[Tensor, ...]:
        """Put frames in context.

        Args:
            hidden_states: Frames [B, T, hidden_size].
            attention_mask: Mask of frames [B, T], 1 (or True) where valid.
            output_attentions: Whether to return each block's attention weights [B, H, T, T].
            output_hidden_states: Whether to return the input of the first block and each
                block's output; the last one is the normed last state.
            return_dict: False: a tuple of what is there.

        Raises:
            InputError: The mask does not fit the frames.
        """
        if attention_mask is not None and attention_mask.shape != hidden_states.shape[:2]:
            raise InputError(
                "attention_mask of the encoder marks frames and must have the shape "
                f"{tuple(hidden_states.shape[:2])}, got {tuple(attention_mask.shape)}"
            )
        out = self.encode(
            hidden_states,
            None if attention_mask is None else ~attention_mask.bool(),
            exact_padding=self.config.exact_padding,
            keep_hidden_states=output_hidden_states,
            keep_attentions=output_attentions,
            eager_attention=self.config._attn_implementation == "eager",  # noqa: SLF001
            flex_attention=self.config._attn_implementation == "flex_attention",  # noqa: SLF001
        )
        result = BaseModelOutput(
            last_hidden_state=out.last_hidden_state,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )
        return result if return_dict else result.to_tuple()


def _build_layer(config: Wav2Vec2ConformerConfig) -> ConformerLayer | TransformerLayer:
    if isinstance(config, Wav2Vec2Config):
        return TransformerLayer(
            config.hidden_size,
            config.intermediate_size,
            config.num_attention_heads,
            norm_first=config.encoder_norm == "after",
            activation=activation_called(config.hidden_act),
            eps=config.layer_norm_eps,
            dropout=config.hidden_dropout,
            activation_dropout=config.activation_dropout,
            attention_dropout=config.attention_dropout,
            adapter_dim=config.adapter_attn_dim,
        )
    positions: Any = config.position_embeddings_type
    settings: dict[str, Any] = {}
    if isinstance(config, Wav2Vec2BertConfig):
        settings = {
            "causal_convolution": True,
            "eps": config.layer_norm_eps,
            "max_left_frames": config.left_max_position_embeddings,
            "max_right_frames": config.right_max_position_embeddings,
        }
    return ConformerLayer(
        config.hidden_size,
        config.intermediate_size,
        config.num_attention_heads,
        kernel_size=config.conv_depthwise_kernel_size,
        positions=None if positions == "convolutional" else positions,
        activation=activation_called(config.hidden_act),
        dropout=config.hidden_dropout,
        activation_dropout=config.activation_dropout,
        attention_dropout=config.attention_dropout,
        conv_dropout=config.conformer_conv_dropout,
        adapter_dim=config.adapter_attn_dim,
        **settings,
    )


def _build_rotary(config: Wav2Vec2ConformerConfig) -> RotaryPositions:
    return RotaryPositions(
        config.hidden_size // config.num_attention_heads,
        config.rotary_embedding_base,
        persistent=not isinstance(config, Wav2Vec2BertConfig),
    )


def _build_positional_convolution(
    config: Wav2Vec2ConformerConfig,
) -> UnusedPositionalConvolution | None:
    if isinstance(config, Wav2Vec2BertConfig):
        return None
    sizes = (
        config.hidden_size,
        config.num_conv_pos_embeddings,
        config.num_conv_pos_embedding_groups,
    )
    if config.position_embeddings_type == "convolutional":
        activation = activation_called(config.feat_extract_activation)
        return PositionalConvolution(*sizes, activation=activation)
    return UnusedPositionalConvolution(*sizes)
