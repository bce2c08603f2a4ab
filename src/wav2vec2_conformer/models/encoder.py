"""`Wav2Vec2ConformerEncoder`: the Conformer stack, usable on its own."""

from torch import Tensor
from transformers.activations import ACT2FN
from transformers.modeling_outputs import BaseModelOutput

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn.encoder import Encoder


class Wav2Vec2ConformerEncoder(Encoder):
    """Conformer blocks built from a configuration.

    Args:
        config: Its encoder fields are used.
    """

    def __init__(self, config: Wav2Vec2ConformerConfig) -> None:
        super().__init__(
            config.hidden_size,
            config.intermediate_size,
            config.num_attention_heads,
            config.num_hidden_layers,
            kernel_size=config.conv_depthwise_kernel_size,
            positions=config.position_embeddings_type,  # type: ignore[arg-type]  # checked there
            norm=config.encoder_norm,  # type: ignore[arg-type]  # the same
            activation=ACT2FN[config.hidden_act],
            rotary_base=config.rotary_embedding_base,
            eps=config.layer_norm_eps,
            dropout=config.hidden_dropout,
            activation_dropout=config.activation_dropout,
            attention_dropout=config.attention_dropout,
            conv_dropout=config.conformer_conv_dropout,
            layer_drop=config.layerdrop,
            unused_conv_kernel_size=config.num_conv_pos_embeddings,
            unused_conv_groups=config.num_conv_pos_embedding_groups,
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
        )
        result = BaseModelOutput(
            last_hidden_state=out.last_hidden_state,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )
        return result if return_dict else result.to_tuple()
