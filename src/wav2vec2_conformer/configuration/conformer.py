"""Configuration of the model: every parameter of the specification, checked.

Names, order and defaults are those of the specification, so that the `config.json` of any
released checkpoint loads as it is; keys that this model has no use for are kept and ignored.
"""

import os
from math import prod
from typing import Any, ClassVar

from transformers import PretrainedConfig

from wav2vec2_conformer.configuration.activations import activation_names, is_activation
from wav2vec2_conformer.errors import CheckpointError, ConfigurationError

POSITION_EMBEDDINGS_TYPES = ("relative", "rotary", "convolutional", None)
ENCODER_NORMS = ("after", "before")
FEAT_EXTRACT_NORMS = ("group", "layer")
CTC_LOSS_REDUCTIONS = ("sum", "mean")


class Wav2Vec2ConformerConfig(PretrainedConfig):
    """All that is needed to build a Wav2Vec2-Conformer.

    The arguments are those of the specification, with five of our own at the end. The defaults
    give the base size (12 layers of 768); a released checkpoint of the large size is
    [facebook/wav2vec2-conformer-rel-pos-large](https://huggingface.co/facebook/wav2vec2-conformer-rel-pos-large).

    Args:
        vocab_size: Number of tokens of the CTC head. Needed by that head alone.
        hidden_size: Width of the encoder. Even with relative positions.
        num_hidden_layers: Number of Conformer blocks.
        num_attention_heads: Heads of each block. Divides `hidden_size`.
        intermediate_size: Width of the feed-forward modules.
        hidden_act: Activation of the feed-forward and convolution modules. The released
            checkpoints use `"swish"`.
        hidden_dropout: Dropout at the encoder's input and after each feed-forward module.
        activation_dropout: Dropout inside the feed-forward modules.
        attention_dropout: Dropout of attention weights and of the attention's output.
        feat_proj_dropout: Dropout after the feature projection.
        feat_quantizer_dropout: Dropout of the features that go to the quantizer.
        final_dropout: Dropout before the CTC head.
        layerdrop: Probability of skipping a block in training.
        initializer_range: Standard deviation of new linear weights.
        layer_norm_eps: Epsilon of the feature projection's and the encoder's layer norm. (All
            other norms use 1e-5, as in the released models.)
        feat_extract_norm: `"group"`: group norm in the first convolution only; `"layer"`: layer
            norm in every convolution of the feature encoder.
        feat_extract_activation: Activation of the feature encoder.
        conv_dim: Channels of the feature encoder's convolutions.
        conv_stride: Their strides.
        conv_kernel: Their kernel sizes.
        conv_bias: Whether they have biases.
        num_conv_pos_embeddings: Kernel size of a convolution that released files carry and no
            Wav2Vec2-Conformer uses.
        num_conv_pos_embedding_groups: Its groups.
        apply_spec_augment: Whether training masks spans of frames and channels.
        mask_time_prob: Share of frames that start-to-end masking aims at.
        mask_time_length: Length of a masked span in frames.
        mask_time_min_masks: Least number of spans of an utterance.
        mask_feature_prob: The same for channels.
        mask_feature_length: The same for channels.
        mask_feature_min_masks: The same for channels.
        num_codevectors_per_group: Entries of each codebook of the quantizer.
        num_codevector_groups: Number of codebooks.
        contrastive_logits_temperature: Temperature of the contrastive loss.
        num_negatives: Distractors per masked frame.
        codevector_dim: Width of a quantized vector (all codebooks together).
        proj_codevector_dim: Width in which predictions and quantized vectors are compared.
        diversity_loss_weight: Weight of the codebook diversity loss.
        ctc_loss_reduction: `"sum"` over the batch, or `"mean"` (each utterance's loss divided
            by its number of labels, then averaged).
        ctc_zero_infinity: Whether utterances with more labels than frames count as zero loss.
        use_weighted_layer_sum: Whether the classification heads see a learned mean of all
            layers instead of the last one.
        classifier_proj_size: Width of the sequence classification head.
        tdnn_dim: Channels of the x-vector head's layers.
        tdnn_kernel: Their kernel sizes.
        tdnn_dilation: Their dilations.
        xvector_output_dim: Width of the speaker embedding.
        pad_token_id: Padding token; also the blank of CTC.
        bos_token_id: Start token.
        eos_token_id: End token.
        add_adapter: Whether strided convolutions follow the encoder.
        adapter_kernel_size: Their kernel size.
        adapter_stride: Their stride.
        num_adapter_layers: Their number.
        output_hidden_size: Their width; `hidden_size` by default.
        position_embeddings_type: `"relative"` (Transformer-XL), `"rotary"`, `"convolutional"`
            (fairseq's `abs`, which other implementations do not read) or None.
        rotary_embedding_base: Base of the rotary angles.
        max_source_positions: Kept for compatibility; positions are computed for any length.
        conv_depthwise_kernel_size: Kernel of the depthwise convolution in frames. Odd.
        conformer_conv_dropout: Dropout after the convolution module.
        exact_padding: True: an utterance's result does not depend on padding. False: padded
            batches behave as in the reference implementation, where padding leaks.
        encoder_norm: Whether the encoder's layer norm stands `"after"` its blocks, as in the large
            released models, or `"before"` them, as in fairseq's base size, which other
            implementations do not read.
        adapter_attn_dim: Width inside the language adapter at the end of each block (16 in MMS),
            which other implementations do not read; None for no adapters.
        max_simultaneous_speakers: Largest set of speakers that a class of the frame
            classification head stands for; None where classes are no sets.
        permutation_invariant_loss: Whether the labels of the frame classification head are
            speakers in any order; None where it is not known.
        **kwargs: Settings of `transformers.PretrainedConfig` (`num_labels`, `problem_type`, ...).

    Raises:
        ConfigurationError: The values do not describe a model that can be built.
    """

    model_type = "wav2vec2-conformer"
    _position_embeddings_types: ClassVar[tuple[str | None, ...]] = POSITION_EMBEDDINGS_TYPES
    _encoder_norms: ClassVar[tuple[str | None, ...]] = ENCODER_NORMS

    def __init__(  # noqa: PLR0915 - one line per parameter of the specification
        self,
        vocab_size: int | None = None,
        hidden_size: int = 768,
        num_hidden_layers: int = 12,
        num_attention_heads: int = 12,
        intermediate_size: int = 3072,
        hidden_act: str = "gelu",
        hidden_dropout: float = 0.1,
        activation_dropout: float = 0.1,
        attention_dropout: float = 0.1,
        feat_proj_dropout: float = 0.0,
        feat_quantizer_dropout: float = 0.0,
        final_dropout: float = 0.1,
        layerdrop: float = 0.1,
        initializer_range: float = 0.02,
        layer_norm_eps: float = 1e-5,
        feat_extract_norm: str = "group",
        feat_extract_activation: str = "gelu",
        conv_dim: tuple[int, ...] | list[int] = (512, 512, 512, 512, 512, 512, 512),
        conv_stride: tuple[int, ...] | list[int] = (5, 2, 2, 2, 2, 2, 2),
        conv_kernel: tuple[int, ...] | list[int] = (10, 3, 3, 3, 3, 2, 2),
        conv_bias: bool = False,
        num_conv_pos_embeddings: int = 128,
        num_conv_pos_embedding_groups: int = 16,
        apply_spec_augment: bool = True,
        mask_time_prob: float = 0.05,
        mask_time_length: int = 10,
        mask_time_min_masks: int = 2,
        mask_feature_prob: float = 0.0,
        mask_feature_length: int = 10,
        mask_feature_min_masks: int = 0,
        num_codevectors_per_group: int = 320,
        num_codevector_groups: int = 2,
        contrastive_logits_temperature: float = 0.1,
        num_negatives: int = 100,
        codevector_dim: int = 256,
        proj_codevector_dim: int = 256,
        diversity_loss_weight: float = 0.1,
        ctc_loss_reduction: str = "sum",
        ctc_zero_infinity: bool = False,
        use_weighted_layer_sum: bool = False,
        classifier_proj_size: int = 256,
        tdnn_dim: tuple[int, ...] | list[int] = (512, 512, 512, 512, 1500),
        tdnn_kernel: tuple[int, ...] | list[int] = (5, 3, 3, 1, 1),
        tdnn_dilation: tuple[int, ...] | list[int] = (1, 2, 3, 1, 1),
        xvector_output_dim: int = 512,
        pad_token_id: int = 0,
        bos_token_id: int = 1,
        eos_token_id: int = 2,
        add_adapter: bool = False,
        adapter_kernel_size: int = 3,
        adapter_stride: int = 2,
        num_adapter_layers: int = 3,
        output_hidden_size: int | None = None,
        position_embeddings_type: str | None = "relative",
        rotary_embedding_base: int = 10_000,
        max_source_positions: int = 5_000,
        conv_depthwise_kernel_size: int = 31,
        conformer_conv_dropout: float = 0.1,
        exact_padding: bool = True,
        encoder_norm: str | None = "after",
        adapter_attn_dim: int | None = None,
        max_simultaneous_speakers: int | None = None,
        permutation_invariant_loss: bool | None = None,
        **kwargs: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.intermediate_size = intermediate_size
        self.hidden_act = hidden_act
        self.hidden_dropout = hidden_dropout
        self.activation_dropout = activation_dropout
        self.attention_dropout = attention_dropout
        self.feat_proj_dropout = feat_proj_dropout
        self.feat_quantizer_dropout = feat_quantizer_dropout
        self.final_dropout = final_dropout
        self.layerdrop = layerdrop
        self.initializer_range = initializer_range
        self.layer_norm_eps = layer_norm_eps
        self.feat_extract_norm = feat_extract_norm
        self.feat_extract_activation = feat_extract_activation
        self.conv_dim = list(conv_dim)
        self.conv_stride = list(conv_stride)
        self.conv_kernel = list(conv_kernel)
        self.conv_bias = conv_bias
        self.num_feat_extract_layers = len(self.conv_dim)
        self.num_conv_pos_embeddings = num_conv_pos_embeddings
        self.num_conv_pos_embedding_groups = num_conv_pos_embedding_groups
        self.apply_spec_augment = apply_spec_augment
        self.mask_time_prob = mask_time_prob
        self.mask_time_length = mask_time_length
        self.mask_time_min_masks = mask_time_min_masks
        self.mask_feature_prob = mask_feature_prob
        self.mask_feature_length = mask_feature_length
        self.mask_feature_min_masks = mask_feature_min_masks
        self.num_codevectors_per_group = num_codevectors_per_group
        self.num_codevector_groups = num_codevector_groups
        self.contrastive_logits_temperature = contrastive_logits_temperature
        self.num_negatives = num_negatives
        self.codevector_dim = codevector_dim
        self.proj_codevector_dim = proj_codevector_dim
        self.diversity_loss_weight = diversity_loss_weight
        self.ctc_loss_reduction = ctc_loss_reduction
        self.ctc_zero_infinity = ctc_zero_infinity
        self.use_weighted_layer_sum = use_weighted_layer_sum
        self.classifier_proj_size = classifier_proj_size
        self.tdnn_dim = list(tdnn_dim)
        self.tdnn_kernel = list(tdnn_kernel)
        self.tdnn_dilation = list(tdnn_dilation)
        self.xvector_output_dim = xvector_output_dim
        self.add_adapter = add_adapter
        self.adapter_kernel_size = adapter_kernel_size
        self.adapter_stride = adapter_stride
        self.num_adapter_layers = num_adapter_layers
        self.output_hidden_size = output_hidden_size or hidden_size
        self.position_embeddings_type = position_embeddings_type
        self.rotary_embedding_base = rotary_embedding_base
        self.max_source_positions = max_source_positions
        self.conv_depthwise_kernel_size = conv_depthwise_kernel_size
        self.conformer_conv_dropout = conformer_conv_dropout
        self.exact_padding = exact_padding
        self.encoder_norm = encoder_norm
        self.adapter_attn_dim = adapter_attn_dim
        self.max_simultaneous_speakers = max_simultaneous_speakers
        self.permutation_invariant_loss = permutation_invariant_loss
        kwargs.pop("num_feat_extract_layers", None)  # in saved files; follows from conv_dim
        super().__init__(
            pad_token_id=pad_token_id,
            bos_token_id=bos_token_id,
            eos_token_id=eos_token_id,
            **kwargs,
        )
        self._check_choices()
        self._check_sizes()
        self._check_parity()
        if adapter_attn_dim is not None and adapter_attn_dim < 1:
            raise ConfigurationError(
                "adapter_attn_dim must be at least 1, or None for no adapters, got "
                f"{adapter_attn_dim}"
            )

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> Any:
        """Load the configuration of a checkpoint; see `from_dict`.

        Args:
            pretrained_model_name_or_path: A folder, or a name on the Hugging Face hub.
            **kwargs: Arguments of `transformers.PretrainedConfig.from_pretrained`, and values
                that take precedence.
        """
        config_dict, kwargs = cls.get_config_dict(pretrained_model_name_or_path, **kwargs)
        return cls.from_dict(config_dict, **kwargs)

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Build a configuration from the contents of a `config.json`.

        Args:
            config_dict: Its keys and values.
            **kwargs: Values that take precedence.

        Returns:
            A configuration of this class or, of a neighbour's file, of the neighbour's class.

        Raises:
            CheckpointError: The file belongs to another architecture.
            ConfigurationError: The values do not describe a model that can be built.
        """
        model_type = config_dict.get("model_type", cls.model_type)
        if model_type != cls.model_type:
            for neighbour in cls.__subclasses__():
                if model_type == neighbour.model_type:
                    return neighbour.from_dict(config_dict, **kwargs)
            known = ", ".join(repr(c.model_type) for c in (cls, *cls.__subclasses__()))
            raise CheckpointError(
                f"this checkpoint is of the architecture {model_type!r}, not {known}. Load it "
                "with the model class of that architecture"
            )
        return super().from_dict(config_dict, **kwargs)

    @classmethod
    def from_json_file(cls, json_file: str | os.PathLike[str]) -> Any:
        """Build a configuration from a `config.json`; see `from_dict`.

        Args:
            json_file: The file.
        """
        return cls.from_dict(cls._dict_from_json_file(json_file))

    def _check_choices(self) -> None:
        for name, allowed in (
            ("position_embeddings_type", self._position_embeddings_types),
            ("encoder_norm", self._encoder_norms),
            ("feat_extract_norm", FEAT_EXTRACT_NORMS),
            ("ctc_loss_reduction", CTC_LOSS_REDUCTIONS),
        ):
            value = getattr(self, name)
            if value not in allowed:
                words = ", ".join(repr(choice) for choice in allowed)
                raise ConfigurationError(f"{name} must be one of {words}, got {value!r}")
        for name in ("hidden_act", "feat_extract_activation"):
            value = getattr(self, name)
            if not is_activation(value):
                words = ", ".join(activation_names())
                raise ConfigurationError(f"{name} must be one of {words}, got {value!r}")

    def _check_sizes(self) -> None:
        for name in (
            "hidden_size",
            "num_attention_heads",
            "intermediate_size",
            "num_codevector_groups",
            "num_conv_pos_embedding_groups",
            "adapter_kernel_size",
            "adapter_stride",
            "mask_time_length",
            "mask_feature_length",
        ):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {getattr(self, name)}")
        for names in (
            ("conv_dim", "conv_stride", "conv_kernel"),
            ("tdnn_dim", "tdnn_kernel", "tdnn_dilation"),
        ):
            lengths = [len(getattr(self, name)) for name in names]
            if len(set(lengths)) > 1 or lengths[0] == 0:
                found = ", ".join(f"{n} has {k}" for n, k in zip(names, lengths, strict=True))
                raise ConfigurationError(
                    f"{', '.join(names)} must have the same length, one entry per layer; {found}"
                )
            for name in names:
                if min(getattr(self, name)) < 1:
                    raise ConfigurationError(
                        f"{name} must hold positive numbers, got {getattr(self, name)}"
                    )
        for whole, part in (
            ("hidden_size", "num_attention_heads"),
            ("codevector_dim", "num_codevector_groups"),
            ("hidden_size", "num_conv_pos_embedding_groups"),
        ):
            if getattr(self, whole) % getattr(self, part):
                raise ConfigurationError(
                    f"{whole} must be a multiple of {part}, got "
                    f"{whole}={getattr(self, whole)} and {part}={getattr(self, part)}"
                )

    def _check_parity(self) -> None:
        head_dim = self.hidden_size // self.num_attention_heads
        if self.position_embeddings_type == "rotary" and head_dim % 2:
            raise ConfigurationError(
                "rotary positions need an even head size, got hidden_size / "
                f"num_attention_heads = {head_dim}"
            )
        if self.position_embeddings_type == "relative" and self.hidden_size % 2:
            raise ConfigurationError(
                f"relative positions need an even hidden_size, got {self.hidden_size}"
            )
        if self.conv_depthwise_kernel_size < 1 or self.conv_depthwise_kernel_size % 2 == 0:
            raise ConfigurationError(
                "conv_depthwise_kernel_size must be a positive odd number, so that a frame is "
                f"centred on itself; got {self.conv_depthwise_kernel_size}"
            )

    @property
    def inputs_to_logits_ratio(self) -> int:
        """Samples of the waveform per output frame, the adapter's strides included."""
        ratio = prod(self.conv_stride)
        if self.add_adapter:
            ratio *= self.adapter_stride**self.num_adapter_layers
        return ratio
