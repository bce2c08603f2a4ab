"""Configuration of Wav2Vec2: what differs from Wav2Vec2-Conformer's."""

from typing import Any

from wav2vec2_conformer.configuration.conformer import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import ConfigurationError

# What transformer blocks have no use for; left out of files, ignored in them.
_UNUSED = (
    "position_embeddings_type",
    "rotary_embedding_base",
    "max_source_positions",
    "conv_depthwise_kernel_size",
    "conformer_conv_dropout",
    "encoder_norm",
)


class Wav2Vec2Config(Wav2Vec2ConformerConfig):
    """All that is needed to build a Wav2Vec2, an XLS-R or an MMS model.

    The names and defaults of transformers' class. Positions are convolutional; the place of the
    norms follows from `do_stable_layer_norm`. The defaults give the base size, as in
    [facebook/wav2vec2-base](https://huggingface.co/facebook/wav2vec2-base).

    Args:
        vocab_size: Number of tokens of the CTC head.
        do_stable_layer_norm: Whether norms stand before the modules of a block, with one more
            after the last block, as in the large models with `feat_extract_norm="layer"`, XLS-R
            and MMS. False: after them, with one more before the first block.
        adapter_attn_dim: Width inside the language adapter of each block, 16 in MMS; None for
            no adapters. Needs `do_stable_layer_norm`.
        **kwargs: Parameters of `Wav2Vec2ConformerConfig`, with the same defaults.

    Raises:
        ConfigurationError: The values do not describe a model that can be built.
    """

    model_type = "wav2vec2"

    def __init__(
        self,
        vocab_size: int | None = 32,
        *,
        do_stable_layer_norm: bool = False,
        adapter_attn_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        if adapter_attn_dim is not None and not do_stable_layer_norm:
            raise ConfigurationError(
                f"adapter_attn_dim={adapter_attn_dim}: language adapters stand only in blocks with "
                "do_stable_layer_norm=True. Set that, or leave adapter_attn_dim out"
            )
        self.do_stable_layer_norm = do_stable_layer_norm
        for name in _UNUSED:
            kwargs.pop(name, None)
        super().__init__(
            vocab_size,
            position_embeddings_type="convolutional",
            encoder_norm="after" if do_stable_layer_norm else "before",
            **kwargs,
        )
        self.adapter_attn_dim = adapter_attn_dim

    def to_dict(self) -> dict[str, Any]:
        """Return the contents of `config.json`."""
        return {name: value for name, value in super().to_dict().items() if name not in _UNUSED}
