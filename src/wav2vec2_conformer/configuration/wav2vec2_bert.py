"""Configuration of Wav2Vec2-BERT: what differs from Wav2Vec2-Conformer's."""

from typing import Any

from wav2vec2_conformer.configuration.activations import activation_names, is_activation
from wav2vec2_conformer.configuration.conformer import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import ConfigurationError

# A frame counts as if convolutions made it: of 400 samples a spectrum, of two of these a frame.
_CONV_KERNEL, _CONV_STRIDE = (400, 2), (160, 2)
_SPECTRA_PER_FRAME = 2
# Defaults that are not those of Wav2Vec2-Conformer.
_DEFAULTS = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "hidden_act": "swish",
    "hidden_dropout": 0.0,
    "activation_dropout": 0.0,
    "attention_dropout": 0.0,
    "classifier_proj_size": 768,
    "num_adapter_layers": 1,
    "position_embeddings_type": "relative_key",
}
# What a model of log-mel features without pre-training head has no use for; left out of files,
# ignored in them.
_UNUSED = (
    "feat_quantizer_dropout",
    "feat_extract_norm",
    "feat_extract_activation",
    "conv_dim",
    "conv_stride",
    "conv_kernel",
    "conv_bias",
    "num_feat_extract_layers",
    "num_conv_pos_embeddings",
    "num_conv_pos_embedding_groups",
    "num_codevectors_per_group",
    "num_codevector_groups",
    "contrastive_logits_temperature",
    "num_negatives",
    "codevector_dim",
    "proj_codevector_dim",
    "diversity_loss_weight",
    "encoder_norm",
)


class Wav2Vec2BertConfig(Wav2Vec2ConformerConfig):
    """All that is needed to build a Wav2Vec2-BERT.

    The names and defaults of transformers' class; the defaults give
    [facebook/w2v-bert-2.0](https://huggingface.co/facebook/w2v-bert-2.0).

    Args:
        vocab_size: Number of tokens of the CTC head. Needed by that head alone.
        feature_projection_input_dim: Log-mel features of a frame: two spectra of half as many
            bands each.
        position_embeddings_type: `"relative_key"` (a learned vector for each distance),
            `"relative"`, `"rotary"` or None.
        left_max_position_embeddings: With `"relative_key"`: frames farther back than this share
            one position.
        right_max_position_embeddings: The same for frames ahead.
        adapter_act: Activation of the adapter's feed-forward modules.
        use_intermediate_ffn_before_adapter: Whether half a feed-forward module stands between
            the encoder and the adapter.
        **kwargs: Parameters of `Wav2Vec2ConformerConfig`. Other defaults than there:
            `hidden_size` 1024, `num_hidden_layers` 24, `num_attention_heads` 16,
            `intermediate_size` 4096, `hidden_act` `"swish"`, `hidden_dropout`,
            `activation_dropout` and `attention_dropout` 0, `classifier_proj_size` 768,
            `num_adapter_layers` 1.

    Raises:
        ConfigurationError: The values do not describe a model that can be built.
    """

    model_type = "wav2vec2-bert"
    _position_embeddings_types = ("relative", "relative_key", "rotary", None)
    _encoder_norms = (None,)

    def __init__(
        self,
        vocab_size: int | None = None,
        *,
        feature_projection_input_dim: int = 160,
        left_max_position_embeddings: int = 64,
        right_max_position_embeddings: int = 8,
        adapter_act: str = "relu",
        use_intermediate_ffn_before_adapter: bool = False,
        **kwargs: Any,
    ) -> None:
        self.feature_projection_input_dim = feature_projection_input_dim
        self.left_max_position_embeddings = left_max_position_embeddings
        self.right_max_position_embeddings = right_max_position_embeddings
        self.adapter_act = adapter_act
        self.use_intermediate_ffn_before_adapter = use_intermediate_ffn_before_adapter
        for name in _UNUSED:
            kwargs.pop(name, None)
        num_bands = max(feature_projection_input_dim // _SPECTRA_PER_FRAME, 1)
        fixed: Any = {
            "conv_dim": (num_bands, _SPECTRA_PER_FRAME * num_bands),
            "conv_kernel": _CONV_KERNEL,
            "conv_stride": _CONV_STRIDE,
            # The width may be any: there is no positional convolution whose groups divide it.
            "num_conv_pos_embedding_groups": 1,
            "encoder_norm": None,
        }
        super().__init__(vocab_size, **{**_DEFAULTS, **kwargs, **fixed})
        self._check_own()

    def _check_own(self) -> None:
        if self.feature_projection_input_dim < _SPECTRA_PER_FRAME or (
            self.feature_projection_input_dim % _SPECTRA_PER_FRAME
        ):
            raise ConfigurationError(
                "feature_projection_input_dim counts the bands of two spectra and must be even, "
                f"2 at least; got {self.feature_projection_input_dim}"
            )
        for name in ("left_max_position_embeddings", "right_max_position_embeddings"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} must not be negative, got {getattr(self, name)}")
        if not is_activation(self.adapter_act):
            words = ", ".join(activation_names())
            raise ConfigurationError(
                f"adapter_act must be one of {words}, got {self.adapter_act!r}"
            )
        if self.use_intermediate_ffn_before_adapter and not self.add_adapter:
            raise ConfigurationError(
                "use_intermediate_ffn_before_adapter=True needs an adapter; set add_adapter=True"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the contents of `config.json`."""
        return {name: value for name, value in super().to_dict().items() if name not in _UNUSED}
