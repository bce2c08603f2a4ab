"""What the tensors of a checkpoint say about its model, and whether they are all there."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wav2vec2_conformer.configuration import (
    ARCHITECTURE_NAMES,
    Wav2Vec2BertConfig,
    Wav2Vec2Config,
    Wav2Vec2ConformerConfig,
)
from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.models.audio_frame_classification import (
    Wav2Vec2ConformerForAudioFrameClassification,
)
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.models.model import Wav2Vec2ConformerModel
from wav2vec2_conformer.models.pretrained import Wav2Vec2ConformerPreTrainedModel
from wav2vec2_conformer.models.pretraining import Wav2Vec2ConformerForPreTraining
from wav2vec2_conformer.models.sequence_classification import (
    Wav2Vec2ConformerForSequenceClassification,
)
from wav2vec2_conformer.models.xvector import Wav2Vec2ConformerForXVector

Shapes = Mapping[str, tuple[int, ...]]
BODY_PREFIX = "wav2vec2_conformer."
# The first whose tensor is there is the model's class.
_CLASS_BY_TENSOR: list[tuple[str, type[Wav2Vec2ConformerPreTrainedModel]]] = [
    ("lm_head.weight", Wav2Vec2ConformerForCTC),
    ("quantizer.codevectors", Wav2Vec2ConformerForPreTraining),
    ("objective.weight", Wav2Vec2ConformerForXVector),
    ("projector.weight", Wav2Vec2ConformerForSequenceClassification),
    ("classifier.weight", Wav2Vec2ConformerForAudioFrameClassification),
]


class Difference(NamedTuple):
    """How tensors differ from those of the model that their configuration describes."""

    missing: list[str]
    unexpected: list[str]
    misshapen: list[str]
    """Each with the shape it has and the shape it should have."""


def choose_model_class(names: Mapping[str, Any]) -> type[Wav2Vec2ConformerPreTrainedModel]:
    """Return the model class that has tensors of these names."""
    for name, model_class in _CLASS_BY_TENSOR:
        if name in names:
            return model_class
    return Wav2Vec2ConformerModel


def infer_architecture(
    shapes: Shapes, model_type: str = Wav2Vec2ConformerConfig.model_type
) -> dict[str, Any]:
    """Return the fields of the configuration that follow from the tensors' shapes.

    Strides, the place of the encoder's norm, dropouts and the like leave no trace in a tensor.
    So do the heads of a model without relative or rotary positions, and which of the two other
    kinds of positions it has.

    Args:
        shapes: Shape of each tensor, under our names.
        model_type: `model_type` of the configuration.

    Raises:
        CheckpointError: They are not those of such a model.
    """
    prefix = body_prefix(model_type)
    body = {name.removeprefix(prefix): tuple(shape) for name, shape in shapes.items()}
    blocks = {int(m[1]) for name in body if (m := re.match(r"encoder\.layers\.(\d+)\.", name))}
    try:
        hidden_size, feature_dim = body["feature_projection.projection.weight"]
        fields: dict[str, Any] = {
            "hidden_size": hidden_size,
            "num_hidden_layers": max(blocks) + 1,
            **_INFER_BLOCKS[model_type](body, _FIRST_BLOCK),
            **_infer_positions(body, _FIRST_BLOCK, hidden_size),
            **_infer_heads(body),
        }
    except (IndexError, KeyError, ValueError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"the tensors are not those of a {ARCHITECTURE_NAMES[model_type]} "
            f"({_describe_foreign(shapes) or f'lacking: {error}'})"
        ) from error
    if model_type == Wav2Vec2BertConfig.model_type:
        return {**fields, "feature_projection_input_dim": feature_dim}
    return {**fields, **_infer_feature_encoder(body)}


def body_prefix(model_type: str) -> str:
    """Return what the names of a model's tensors begin with where it has a head."""
    return f"{Wav2Vec2ConformerModel.class_for(model_type).base_model_prefix}."


def _infer_conformer_blocks(body: Shapes, block: str) -> dict[str, Any]:
    return {
        "intermediate_size": body[f"{block}ffn1.intermediate_dense.weight"][0],
        "conv_depthwise_kernel_size": body[f"{block}conv_module.depthwise_conv.weight"][2],
    }


def _infer_transformer_blocks(body: Shapes, block: str) -> dict[str, Any]:
    adapter = body.get(f"{block}adapter_layer.linear_1.weight")
    return {
        "intermediate_size": body[f"{block}feed_forward.intermediate_dense.weight"][0],
        "adapter_attn_dim": None if adapter is None else adapter[0],
    }


def _infer_feature_encoder(body: Shapes) -> dict[str, Any]:
    convolutions: list[tuple[int, ...]] = []
    while weight := body.get(f"feature_extractor.conv_layers.{len(convolutions)}.conv.weight"):
        convolutions.append(weight)
    fields: dict[str, Any] = {
        "conv_dim": [weight[0] for weight in convolutions],
        "conv_kernel": [weight[2] for weight in convolutions],
        "conv_bias": "feature_extractor.conv_layers.0.conv.bias" in body,
    }
    if len(convolutions) > 1:
        is_layer_norm = "feature_extractor.conv_layers.1.layer_norm.weight" in body
        fields["feat_extract_norm"] = "layer" if is_layer_norm else "group"
    return fields


_FIRST_BLOCK = "encoder.layers.0."
_INFER_BLOCKS = {
    Wav2Vec2ConformerConfig.model_type: _infer_conformer_blocks,
    Wav2Vec2Config.model_type: _infer_transformer_blocks,
    Wav2Vec2BertConfig.model_type: _infer_conformer_blocks,
}


def _infer_positions(body: Shapes, block: str, hidden_size: int) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if f"{block}self_attn.linear_pos.weight" in body:
        fields["position_embeddings_type"] = "relative"
        fields["num_attention_heads"] = body[f"{block}self_attn.pos_bias_u"][0]
    elif frequencies := body.get("encoder.embed_positions.inv_freq"):
        fields["position_embeddings_type"] = "rotary"
        fields["num_attention_heads"] = hidden_size // (2 * frequencies[0])
    elif f"{block}self_attn.distance_embedding.weight" in body:
        fields["position_embeddings_type"] = "relative_key"
    convolution = "encoder.pos_conv_embed.conv.parametrizations.weight.original1"
    if convolution in body:
        _, width, kernel_size = body[convolution]
        fields["num_conv_pos_embeddings"] = kernel_size
        fields["num_conv_pos_embedding_groups"] = hidden_size // width
    return fields


def _infer_heads(body: Shapes) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if "lm_head.weight" in body:
        fields["vocab_size"] = body["lm_head.weight"][0]
    if "quantizer.codevectors" in body:
        _, num_entries, width = body["quantizer.codevectors"]
        out_dim, codevector_dim = body["project_q.weight"]
        fields["num_codevector_groups"] = codevector_dim // width
        fields["num_codevectors_per_group"] = num_entries * width // codevector_dim
        fields["codevector_dim"] = codevector_dim
        fields["proj_codevector_dim"] = out_dim
    return fields


def _describe_foreign(shapes: Shapes) -> str:
    """Say what else the tensors may belong to; an empty text when that is unknown."""
    names = " ".join(shapes)
    if ".fc1." in names or ".feed_forward." in names:
        return "they are those of a Wav2Vec2 or HuBERT with plain transformer blocks"
    return ""


def find_wrong_types(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the tensors that are whole numbers and should not be, or the other way round."""
    return [
        f"{name} of {str(tensor.dtype).removeprefix('torch.')}"
        for name, tensor in tensors.items()
        if tensor.is_floating_point() == name.endswith("num_batches_tracked")
    ]


def compare_with_model(
    shapes: Shapes, config: Wav2Vec2ConformerConfig
) -> tuple[type[Wav2Vec2ConformerPreTrainedModel], Difference]:
    """Compare tensors with those of the model that a configuration describes.

    Args:
        shapes: Shape of each tensor, under our names.
        config: The configuration.

    Returns:
        The model's class, and what differs.
    """
    model_class = choose_model_class(shapes).class_for(config.model_type)
    with torch.device("meta"):
        expected = {
            name: tuple(value.shape) for name, value in model_class(config).state_dict().items()
        }
    return model_class, Difference(
        missing=sorted(expected.keys() - shapes.keys()),
        unexpected=sorted(shapes.keys() - expected.keys()),
        misshapen=[
            f"{name} {tuple(shapes[name])}, expected {expected[name]}"
            for name in sorted(expected.keys() & shapes.keys())
            if tuple(shapes[name]) != expected[name]
        ],
    )
