"""What all model classes share: loading, saving, initial weights, frame counts."""

from typing import Any, Self

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers import initialization as init

from wav2vec2_conformer.configuration import ARCHITECTURE_NAMES, Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError, ConfigurationError
from wav2vec2_conformer.models.network import Network
from wav2vec2_conformer.nn.adapter_language import LanguageAdapter
from wav2vec2_conformer.nn.attention import SelfAttention
from wav2vec2_conformer.nn.feature_projection import FeatureProjection
from wav2vec2_conformer.nn.positions import RotaryPositions
from wav2vec2_conformer.nn.quantizer import GumbelVectorQuantizer
from wav2vec2_conformer.nn.unused_convolution import UnusedPositionalConvolution
from wav2vec2_conformer.nn.xvector import AMSoftmaxLoss

# Weights whose absence from a file is no sign of another architecture.
MAY_BE_MISSING = (
    "masked_spec_embed",
    "pos_conv_embed",
    "num_batches_tracked",
    "inv_freq",
    "adapter_layer.",  # a new one changes nothing
)


def parts_without_use(config: Wav2Vec2ConformerConfig) -> list[str]:
    """Return the parts of tensors' names whose absence leaves a model usable."""
    in_use = "pos_conv_embed" if config.position_embeddings_type == "convolutional" else None
    return [part for part in MAY_BE_MISSING if part != in_use]


# What says where a checkpoint on the hub is, and how to get it.
_PLACE_ARGUMENTS = (
    "cache_dir",
    "force_download",
    "local_files_only",
    "revision",
    "subfolder",
    "token",
)


def _read_model_type(place: Any, kwargs: dict[str, Any], *, default: str) -> str:
    """Return the model type of what `from_pretrained` is called with."""
    config = kwargs.get("config")
    if isinstance(config, PretrainedConfig):
        return config.model_type
    where = {name: kwargs[name] for name in _PLACE_ARGUMENTS if name in kwargs}
    try:
        values, _ = PretrainedConfig.get_config_dict(place if config is None else config, **where)
    except OSError:
        # What has no config.json is transformers' matter: an adapter, or an error it words.
        return default
    found: str = values.get("model_type", default)
    return found


def _init_uniform(linear: nn.Linear) -> None:
    """Draw weight and bias uniformly within one over the square root of the input width."""
    bound = linear.in_features**-0.5
    init.uniform_(linear.weight, -bound, bound)
    init.uniform_(linear.bias, -bound, bound)


class Wav2Vec2ConformerPreTrainedModel(PreTrainedModel, Network):
    """Base of the model classes; not used on its own."""

    config_class = Wav2Vec2ConformerConfig
    base_model_prefix = "wav2vec2_conformer"
    main_input_name = "input_values"
    input_modalities = "audio"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _no_split_modules = [  # noqa: RUF012 - the name and type transformers reads
        "ConformerLayer",
        "TransformerLayer",
    ]
    _keys_to_ignore_on_load_missing = [  # noqa: RUF012
        r"masked_spec_embed",
        r"pos_conv_embed\.",
        r"inv_freq",
    ]

    config: Wav2Vec2ConformerConfig

    def __init__(self, config: Wav2Vec2ConformerConfig) -> None:
        if config.model_type != self.config_class.model_type:
            right = type(self).class_for(config.model_type).__name__
            raise ConfigurationError(
                f"{type(self).__name__} takes a {self.config_class.__name__}, got a "
                f"{type(config).__name__}. Build a {right}"
            )
        super().__init__(config)

    @classmethod
    def class_for(cls, model_type: str) -> "type[Self]":
        """Return this class or, for a neighbour's model type, the neighbour's class of this task.

        Args:
            model_type: `model_type` of a configuration.

        Raises:
            CheckpointError: This class has no neighbour of that type.
        """
        # Neighbours are found among subclasses, which exist when their modules are imported.
        from wav2vec2_conformer.models import wav2vec2, wav2vec2_bert  # noqa: F401, PLC0415

        candidates = (cls, *cls.__subclasses__())
        for candidate in candidates:
            if candidate.config_class.model_type == model_type:
                return candidate
        types = sorted(candidate.config_class.model_type for candidate in candidates)
        known = ", ".join(map(repr, types))
        raise CheckpointError(
            f"this checkpoint is of the architecture {model_type!r}, not {known}. Load it with "
            "the model class of that architecture"
        )

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: Any, *model_args: Any, **kwargs: Any
    ) -> Any:
        """Load a checkpoint: a folder or the name of one on the hub.

        Reads safetensors and `.bin` files (the latter without running any code in them), in one
        piece or sharded. Takes the arguments of `transformers.PreTrainedModel.from_pretrained`.

        Args:
            pretrained_model_name_or_path: Folder or name.
            *model_args: Arguments of the model class.
            **kwargs: `dtype`, `attn_implementation`, configuration values, ...

        Returns:
            The model in evaluation mode; of a neighbour's checkpoint (Wav2Vec2, Wav2Vec2-BERT)
            in the neighbour's class, which is a subclass of this one. With
            `output_loading_info=True` also a dictionary.

        Raises:
            CheckpointError: The files are of another architecture, or damaged.
        """
        model_type = _read_model_type(
            pretrained_model_name_or_path, kwargs, default=cls.config_class.model_type
        )
        model_class = cls.class_for(model_type)
        if model_class is not cls:
            return model_class.from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)
        want_info = kwargs.pop("output_loading_info", False)
        try:
            model, info = super().from_pretrained(
                pretrained_model_name_or_path, *model_args, output_loading_info=True, **kwargs
            )
        except SafetensorError as error:
            raise CheckpointError(
                f"the weights of {pretrained_model_name_or_path} cannot be read ({error}). Is the "
                "file whole? Copy or download it again"
            ) from error
        prefix = "" if model.base_model is model else f"{cls.base_model_prefix}."
        may_be_missing = parts_without_use(model.config)
        missing = sorted(
            key
            for key in info["missing_keys"]
            if key.startswith(prefix) and not any(part in key for part in may_be_missing)
        )
        if missing:
            unexpected = ", ".join(sorted(info["unexpected_keys"])[:5]) or "none"
            raise CheckpointError(
                f"{pretrained_model_name_or_path} does not hold the weights of a "
                f"{ARCHITECTURE_NAMES[model_type]} of this configuration: {len(missing)} are "
                f"missing ({', '.join(missing[:5])}, ...); found instead: {unexpected}. "
                "Use the files that belong to the config.json"
            )
        for module in model.modules():
            if isinstance(module, RotaryPositions) and not module.inv_freq.is_meta:
                module.restore_rounded_frequencies()
        return (model, info) if want_info else model

    def _initialize_weights(self, module: nn.Module, is_custom_code: bool = False) -> None:  # noqa: ARG002
        """Draw first weights as for a model of transformers.

        transformers passes over modules without parameters of their own in any other package,
        which would leave out what `_init_weights` does for a module's children. It does so for
        fear of overwriting what was loaded; `init` never does.
        """
        super()._initialize_weights(module)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:  # noqa: C901, PLR0912 - a branch a module
        """Draw the first weights of a module, as the released models were drawn."""
        if isinstance(module, nn.Linear):
            init.normal_(module.weight, std=self.config.initializer_range)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Conv1d):
            init.kaiming_normal_(module.weight)
            if module.bias is not None:
                bound = (module.groups / (module.in_channels * module.kernel_size[0])) ** 0.5
                init.uniform_(module.bias, -bound, bound)
        elif isinstance(module, nn.LayerNorm | nn.GroupNorm | nn.BatchNorm1d):
            init.ones_(module.weight)
            init.zeros_(module.bias)
            if isinstance(module, nn.BatchNorm1d):
                init.zeros_(module.running_mean)
                init.ones_(module.running_var)
                init.zeros_(module.num_batches_tracked)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=self.config.initializer_range)
        elif isinstance(module, SelfAttention):
            if module.positions == "relative":
                init.xavier_uniform_(module.pos_bias_u)
                init.xavier_uniform_(module.pos_bias_v)
        elif isinstance(module, RotaryPositions):
            init.copy_(module.inv_freq, module.frequencies())
        elif isinstance(module, LanguageAdapter):
            init.zeros_(module.linear_2.weight)  # changes nothing before it is trained
        elif isinstance(module, FeatureProjection):
            _init_uniform(module.projection)
        elif isinstance(module, GumbelVectorQuantizer):
            init.normal_(module.weight_proj.weight)
            init.zeros_(module.weight_proj.bias)
            init.uniform_(module.codevectors)
        elif isinstance(module, AMSoftmaxLoss):
            init.normal_(module.weight)
        elif isinstance(module, UnusedPositionalConvolution):
            halves: Any = module.conv.parametrizations["weight"]
            init.normal_(halves.original1, std=2.0 / halves.original1[0].numel() ** 0.5)
            init.copy_(halves.original0, halves.original1.norm(dim=(0, 1), keepdim=True))
            init.zeros_(module.conv.bias)
        self._init_own_parameters(module)

    def _init_own_parameters(self, module: nn.Module) -> None:
        """Draw the parameters that a model class owns itself, beside its modules."""
        embedding = getattr(module, "masked_spec_embed", None)
        if isinstance(embedding, nn.Parameter):
            init.uniform_(embedding)
        layer_weights = getattr(module, "layer_weights", None)
        if isinstance(layer_weights, nn.Parameter):
            init.constant_(layer_weights, 1.0 / layer_weights.numel())
        for name in ("project_hid", "project_q"):
            projection = getattr(module, name, None)
            if isinstance(projection, nn.Linear):
                _init_uniform(projection)

    def freeze_feature_encoder(self) -> None:
        """Leave the feature encoder out of training."""
        self._base().feature_extractor.requires_grad_(requires_grad=False)

    def freeze_base_model(self) -> None:
        """Leave all but the head out of training."""
        self._base().requires_grad_(requires_grad=False)
