"""fairseq's settings of a model and this package's configuration, in both directions."""

from collections.abc import Callable
from typing import Any

from wav2vec2_conformer.checkpoints.conv_layers import format_conv_layers, parse_conv_layers
from wav2vec2_conformer.checkpoints.stored_config import StoredConfig
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig

_POSITIONS = {"rel_pos": "relative", "rope": "rotary", "abs": "convolutional"}
_EXTRACTOR_NORMS = {"default": "group", "layer_norm": "layer"}
_ENCODER_NORMS = {True: "after", False: "before"}  # layer_norm_first: norms inside the blocks

# fairseq's name, ours, and what translates the value.
_ARCHITECTURE: list[tuple[str, str, Callable[[Any], Any]]] = [
    ("encoder_layers", "num_hidden_layers", int),
    ("encoder_embed_dim", "hidden_size", int),
    ("encoder_ffn_embed_dim", "intermediate_size", int),
    ("encoder_attention_heads", "num_attention_heads", int),
    ("conv_bias", "conv_bias", bool),
    ("extractor_mode", "feat_extract_norm", _EXTRACTOR_NORMS.get),
    ("pos_enc_type", "position_embeddings_type", _POSITIONS.get),
    ("layer_norm_first", "encoder_norm", _ENCODER_NORMS.get),
    ("depthwise_conv_kernel_size", "conv_depthwise_kernel_size", int),
    ("conv_pos", "num_conv_pos_embeddings", int),
    ("conv_pos_groups", "num_conv_pos_embedding_groups", int),
    ("latent_groups", "num_codevector_groups", int),
    ("latent_vars", "num_codevectors_per_group", int),
]
# Fine-tuning overrides these, in part under other names.
_TRAINING: list[tuple[str, str]] = [
    ("dropout_input", "feat_proj_dropout"),
    ("dropout_features", "feat_quantizer_dropout"),
    ("final_dropout", "final_dropout"),
    ("encoder_layerdrop", "layerdrop"),
    ("layerdrop", "layerdrop"),
    ("mask_prob", "mask_time_prob"),
    ("mask_length", "mask_time_length"),
    ("mask_channel_prob", "mask_feature_prob"),
    ("mask_channel_length", "mask_feature_length"),
    ("num_negatives", "num_negatives"),
    ("logit_temp", "contrastive_logits_temperature"),
]
# fairseq has one dropout for all of a Conformer block.
_BLOCK_DROPOUTS = (
    "hidden_dropout",
    "activation_dropout",
    "attention_dropout",
    "conformer_conv_dropout",
)


def read_architecture(stored: StoredConfig) -> dict[str, Any]:
    """Return the fields of our configuration that fairseq's settings give.

    Raises:
        CheckpointError: The convolutions are described in an unknown way.
    """
    fields: dict[str, Any] = {}
    for theirs, ours, translate in _ARCHITECTURE:
        value = stored.model.get(theirs)
        if isinstance(value, int | str) and (value := translate(value)) is not None:
            fields[ours] = value
    if isinstance(text := stored.model.get("conv_feature_layers"), str):
        layers = parse_conv_layers(text)
        fields["conv_dim"], fields["conv_kernel"], fields["conv_stride"] = (
            [layer[axis] for layer in layers] for axis in range(3)
        )
    final_dim = stored.model.get("final_dim") or stored.model.get("encoder_embed_dim")
    if isinstance(final_dim, int):
        fields["proj_codevector_dim"] = final_dim
        fields["codevector_dim"] = stored.model.get("latent_dim") or final_dim
    return fields


def read_training_settings(stored: StoredConfig) -> dict[str, Any]:
    """Return the fields of our configuration that matter in training only."""
    fields: dict[str, Any] = {}
    for settings in (stored.model, stored.fine_tuning):
        for theirs, ours in _TRAINING:
            value = settings.get(theirs)
            if isinstance(value, int | float):
                fields[ours] = value
        if isinstance(dropout := settings.get("dropout"), int | float):
            fields |= dict.fromkeys(_BLOCK_DROPOUTS, dropout)
    if isinstance(masks := stored.fine_tuning.get("apply_mask"), bool):
        fields["apply_spec_augment"] = masks
    weights = stored.criterion.get("loss_weights")
    if isinstance(weights, list) and weights and isinstance(weights[0], int | float):
        fields["diversity_loss_weight"] = weights[0]
    return fields


def build_fairseq_config(
    config: Wav2Vec2ConformerConfig, *, do_normalize: bool, is_fine_tuned: bool
) -> dict[str, Any]:
    """Return fairseq's `cfg` for a configuration.

    Args:
        config: Ours.
        do_normalize: Whether audio is normalised to zero mean and unit variance.
        is_fine_tuned: Whether the model has a CTC head.
    """
    reverse: dict[str, dict[Any, Any]] = {
        "extractor_mode": {v: k for k, v in _EXTRACTOR_NORMS.items()},
        "pos_enc_type": {v: k for k, v in _POSITIONS.items()},
        "layer_norm_first": {v: k for k, v in _ENCODER_NORMS.items()},
    }
    model: dict[str, Any] = {"_name": "wav2vec2", "layer_type": "conformer", "attn_type": "espnet"}
    for theirs, ours, _ in _ARCHITECTURE:
        value = getattr(config, ours)
        model[theirs] = reverse[theirs][value] if theirs in reverse else value
    model |= {
        "conv_feature_layers": format_conv_layers(
            config.conv_dim, config.conv_kernel, config.conv_stride
        ),
        "final_dim": config.proj_codevector_dim,
        "latent_dim": config.codevector_dim,
        "quantize_targets": True,
        "dropout": config.hidden_dropout,
    }
    names = {theirs: getattr(config, ours) for theirs, ours in _TRAINING}
    model |= {k: v for k, v in names.items() if k not in {"final_dropout", "layerdrop"}}
    task = {"_name": "audio_pretraining", "sample_rate": 16_000, "normalize": do_normalize}
    criterion = {"_name": "wav2vec", "loss_weights": [config.diversity_loss_weight, 0.0]}
    if not is_fine_tuned:
        return {"model": model, "task": task, "criterion": criterion}
    fine_tuning = {
        "_name": "wav2vec_ctc",
        "w2v_args": {"model": model, "task": task, "criterion": criterion},
        "layer_type": "conformer",
        "attn_type": "espnet",
        "pos_enc_type": model["pos_enc_type"],
        "apply_mask": config.apply_spec_augment,
        "dropout": config.hidden_dropout,
        "normalize": do_normalize,
    }
    fine_tuning |= {
        theirs: names[theirs]
        for theirs in (
            "final_dropout",
            "layerdrop",
            "mask_prob",
            "mask_length",
            "mask_channel_prob",
            "mask_channel_length",
            "dropout_input",
        )
    }
    return {
        "model": fine_tuning,
        "task": {**task, "_name": "audio_finetuning", "labels": "ltr"},
        "criterion": {"_name": "ctc", "zero_infinity": config.ctc_zero_infinity},
    }
