"""The configuration: the specification's parameters, their and their checks."""

import inspect

import pytest

from wav2vec2_conformer import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import (
    ConfigurationError,
    Wav2Vec2ConformerError,
)

# The specification's signature, in its order.
DEFAULTS = {
    "vocab_size": None,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout": 0.1,
    "activation_dropout": 0.1,
    "attention_dropout": 0.1,
    "feat_proj_dropout": 0.0,
    "feat_quantizer_dropout": 0.0,
    "final_dropout": 0.1,
    "layerdrop": 0.1,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-05,
    "feat_extract_norm": "group",
    "feat_extract_activation": "gelu",
    "conv_dim": (512, 512, 512, 512, 512, 512, 512),
    "conv_stride": (5, 2, 2, 2, 2, 2, 2),
    "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
    "conv_bias": False,
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
    "apply_spec_augment": True,
    "mask_time_prob": 0.05,
    "mask_time_length": 10,
    "mask_time_min_masks": 2,
    "mask_feature_prob": 0.0,
    "mask_feature_length": 10,
    "mask_feature_min_masks": 0,
    "num_codevectors_per_group": 320,
    "num_codevector_groups": 2,
    "contrastive_logits_temperature": 0.1,
    "num_negatives": 100,
    "codevector_dim": 256,
    "proj_codevector_dim": 256,
    "diversity_loss_weight": 0.1,
    "ctc_loss_reduction": "sum",
    "ctc_zero_infinity": False,
    "use_weighted_layer_sum": False,
    "classifier_proj_size": 256,
    "tdnn_dim": (512, 512, 512, 512, 1500),
    "tdnn_kernel": (5, 3, 3, 1, 1),
    "tdnn_dilation": (1, 2, 3, 1, 1),
    "xvector_output_dim": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "add_adapter": False,
    "adapter_kernel_size": 3,
    "adapter_stride": 2,
    "num_adapter_layers": 3,
    "output_hidden_size": None,
    "position_embeddings_type": "relative",
    "rotary_embedding_base": 10000,
    "max_source_positions": 5000,
    "conv_depthwise_kernel_size": 31,
    "conformer_conv_dropout": 0.1,
}
OURS = {
    "exact_padding": True,
    "encoder_norm": "after",
    "adapter_attn_dim": None,
    "max_simultaneous_speakers": None,
    "permutation_invariant_loss": None,
}


def test_parameters_are_those_of_the_specification_in_its_order():
    parameters = dict(inspect.signature(Wav2Vec2ConformerConfig.__init__).parameters)
    assert list(parameters) == ["self", *DEFAULTS, *OURS, "kwargs"]
    assert len(DEFAULTS) == 58
    found = {name: parameters[name].default for name in (*DEFAULTS, *OURS)}
    assert found == DEFAULTS | OURS
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in (DEFAULTS | OURS).items()
    }


def test_defaults_are_kept():
    config = Wav2Vec2ConformerConfig()
    for name, expected in (DEFAULTS | OURS).items():
        value = getattr(config, name)
        if name == "output_hidden_size":
            assert value == config.hidden_size
        else:
            assert (tuple(value) if isinstance(value, list) else value) == expected, name


def test_given_values_are_kept():
    """Each other than its default, and together a model that can be built."""
    changed = {
        name: not value
        if isinstance(value, bool)
        else value * 2
        if isinstance(value, int | float) and value
        else value
        for name, value in (DEFAULTS | OURS).items()
    }
    changed |= {
        "vocab_size": 32,
        "hidden_act": "swish",
        "feat_proj_dropout": 0.5,
        "feat_quantizer_dropout": 0.5,
        "feat_extract_norm": "layer",
        "feat_extract_activation": "relu",
        "conv_dim": [8, 9],
        "conv_stride": [3, 4],
        "conv_kernel": [4, 5],
        "mask_feature_prob": 0.5,
        "mask_feature_min_masks": 3,
        "ctc_loss_reduction": "mean",
        "tdnn_dim": [7],
        "tdnn_kernel": [3],
        "tdnn_dilation": [2],
        "pad_token_id": 31,
        "output_hidden_size": 100,
        "position_embeddings_type": "rotary",
        "conv_depthwise_kernel_size": 15,
        "encoder_norm": "before",
        "adapter_attn_dim": 16,
        "max_simultaneous_speakers": 2,
        "permutation_invariant_loss": True,
    }
    assert all(changed[name] != value for name, value in (DEFAULTS | OURS).items())
    by_name = Wav2Vec2ConformerConfig(**changed)
    by_position = Wav2Vec2ConformerConfig(*changed.values())
    for name, value in changed.items():
        assert getattr(by_name, name) == value, name
        assert getattr(by_position, name) == value, name


def test_sequences_become_lists():
    config = Wav2Vec2ConformerConfig(tdnn_dim=(8, 9), tdnn_kernel=[3, 1], tdnn_dilation=(1, 1))
    assert (config.tdnn_dim, config.tdnn_kernel) == ([8, 9], [3, 1])
    assert config.conv_dim == [512] * 7


def test_samples_per_frame():
    config = Wav2Vec2ConformerConfig()
    assert config.inputs_to_logits_ratio == 320
    assert config.num_feat_extract_layers == 7
    with_adapter = Wav2Vec2ConformerConfig(add_adapter=True, adapter_stride=3, num_adapter_layers=2)
    assert with_adapter.inputs_to_logits_ratio == 320 * 9


def test_null_position_type():
    assert Wav2Vec2ConformerConfig(position_embeddings_type=None).position_embeddings_type is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"position_embeddings_type": "rotatory"},
            r"position_embeddings_type must be one of 'relative', .*, None, got 'rotatory'",
        ),
        (
            {"feat_extract_norm": "batch"},
            r"feat_extract_norm must be one of 'group', 'layer', got 'batch'",
        ),
        (
            {"ctc_loss_reduction": "none"},
            r"ctc_loss_reduction must be one of 'sum', 'mean', got 'none'",
        ),
        ({"hidden_act": "swich"}, r"hidden_act must be one of .*gelu.*, got 'swich'"),
        ({"hidden_act": len}, r"hidden_act must be one of .*, got <built-in function len>"),
        (
            {"feat_extract_activation": "swich"},
            r"feat_extract_activation must be one of .*relu.*, got 'swich'",
        ),
        *(
            ({name: value}, rf"^{name} must be at least 1, got {value}$")
            for value in (0, -2)
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
            )
        ),
        (
            {"conv_dim": [512] * 6},
            (
                r"conv_dim, conv_stride, conv_kernel must have the same length, .*; "
                r"conv_dim has 6, conv_stride has 7, conv_kernel has 7"
            ),
        ),
        (
            {"tdnn_dilation": [1]},
            (
                r"tdnn_dim, tdnn_kernel, tdnn_dilation must have the same length, .*; "
                r"tdnn_dim has 5, tdnn_kernel has 5, tdnn_dilation has 1"
            ),
        ),
        (
            {"conv_dim": [], "conv_stride": [], "conv_kernel": []},
            r"one entry per layer; conv_dim has 0",
        ),
        (
            {"conv_stride": (5, 2, 2, 0, 2, 2, 2)},
            r"conv_stride must hold positive numbers, got \[5, 2, 2, 0, 2, 2, 2\]",
        ),
        (
            {"tdnn_kernel": (5, 3, -3, 1, 1)},
            r"tdnn_kernel must hold positive numbers, got \[5, 3, -3, 1, 1\]",
        ),
        (
            {"num_attention_heads": 7},
            (
                r"hidden_size must be a multiple of num_attention_heads, got hidden_size=768 and "
                r"num_attention_heads=7"
            ),
        ),
        (
            {"codevector_dim": 257},
            (
                r"codevector_dim must be a multiple of num_codevector_groups, got "
                r"codevector_dim=257 and num_codevector_groups=2"
            ),
        ),
        (
            {"num_conv_pos_embedding_groups": 5},
            (
                r"hidden_size must be a multiple of num_conv_pos_embedding_groups, got "
                r"hidden_size=768 and num_conv_pos_embedding_groups=5"
            ),
        ),
        (
            {"position_embeddings_type": "rotary", "num_attention_heads": 256},
            r"rotary positions need an even head size, got hidden_size / num_attention_heads = 3",
        ),
        (
            {
                "hidden_size": 15,
                "num_attention_heads": 3,
                "num_conv_pos_embedding_groups": 5,
            },
            r"relative positions need an even hidden_size, got 15",
        ),
        *(
            (
                {"conv_depthwise_kernel_size": size},
                rf"conv_depthwise_kernel_size must be a positive odd number, .* got {size}",
            )
            for size in (30, 0, -1)
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        Wav2Vec2ConformerConfig(**settings)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, Wav2Vec2ConformerError)


@pytest.mark.parametrize(
    "settings",
    [
        {"position_embeddings_type": None, "hidden_size": 15, "num_attention_heads": 3},
        {"position_embeddings_type": "relative", "hidden_size": 6, "num_attention_heads": 2},
        {"position_embeddings_type": "rotary", "hidden_size": 8, "num_attention_heads": 4},
        {"conv_depthwise_kernel_size": 1},
    ],
    ids=str,
)
def test_settings_at_the_edge_are_taken(settings):
    config = Wav2Vec2ConformerConfig(**{"num_conv_pos_embedding_groups": 1, **settings})
    for name, value in settings.items():
        assert getattr(config, name) == value
