"""Names of tensors in fairseq and here, in both directions.

Ours are those of transformers. `{n}` is the number of a convolution, `{i}` that of a block, and
`{part}` stands for `weight` or `bias`. Where a kind of checkpoint lacks a tensor, its line is
simply not used.
"""

import re
from collections.abc import Iterable

_BODY = "wav2vec2_conformer."
_FINE_TUNED = "w2v_encoder.w2v_model."
_LAYER = "encoder.layers.{i}."

# fairseq, ours, without the prefix of the kind of checkpoint
_BODY_LINES: list[tuple[str, str]] = [
    ("mask_emb", "masked_spec_embed"),
    (
        "feature_extractor.conv_layers.{n}.0.{part}",
        "feature_extractor.conv_layers.{n}.conv.{part}",
    ),
    ("layer_norm.{part}", "feature_projection.layer_norm.{part}"),
    ("post_extract_proj.{part}", "feature_projection.projection.{part}"),
    ("encoder.pos_conv.0.bias", "encoder.pos_conv_embed.conv.bias"),
    (
        "encoder.pos_conv.0.weight_g",
        "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
    ),
    (
        "encoder.pos_conv.0.weight_v",
        "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
    ),
    ("encoder.layer_norm.{part}", "encoder.layer_norm.{part}"),
    *(
        (_LAYER + theirs, _LAYER + ours)
        for theirs, ours in [
            ("ffn1.layer_norm.{part}", "ffn1_layer_norm.{part}"),
            ("ffn1.w_1.{part}", "ffn1.intermediate_dense.{part}"),
            ("ffn1.w_2.{part}", "ffn1.output_dense.{part}"),
            ("ffn2.layer_norm.{part}", "ffn2_layer_norm.{part}"),
            ("ffn2.w_1.{part}", "ffn2.intermediate_dense.{part}"),
            ("ffn2.w_2.{part}", "ffn2.output_dense.{part}"),
            *(
                (name, name)
                for name in (
                    "self_attn_layer_norm.{part}",
                    "self_attn.linear_q.{part}",
                    "self_attn.linear_k.{part}",
                    "self_attn.linear_v.{part}",
                    "self_attn.linear_out.{part}",
                    "self_attn.linear_pos.weight",
                    "self_attn.pos_bias_u",
                    "self_attn.pos_bias_v",
                    "conv_module.layer_norm.{part}",
                    "conv_module.pointwise_conv1.weight",
                    "conv_module.depthwise_conv.weight",
                    "conv_module.batch_norm.{part}",
                    "conv_module.batch_norm.running_mean",
                    "conv_module.batch_norm.running_var",
                    "conv_module.batch_norm.num_batches_tracked",
                    "conv_module.pointwise_conv2.weight",
                    "final_layer_norm.{part}",
                )
            ),
        ]
    ),
    # fairseq has one a block, all the same; here one serves all blocks.
    (_LAYER + "self_attn.rotary_emb.inv_freq", "encoder.embed_positions.inv_freq"),
]
_GROUP_NORM = (
    "feature_extractor.conv_layers.{n}.2.{part}",
    "feature_extractor.conv_layers.{n}.layer_norm.{part}",
)
_LAYER_NORM = (
    "feature_extractor.conv_layers.{n}.2.1.{part}",
    "feature_extractor.conv_layers.{n}.layer_norm.{part}",
)
# fairseq's own attention, which takes the place of ESPnet's in some models without positions in it.
_OTHER_ATTENTION = [
    (_LAYER + f"self_attn.{theirs}_proj.{{part}}", _LAYER + f"self_attn.linear_{theirs}.{{part}}")
    for theirs in ("q", "k", "v", "out")
]
_PRE_TRAINING_LINES = [
    ("quantizer.vars", "quantizer.codevectors"),
    ("quantizer.weight_proj.{part}", "quantizer.weight_proj.{part}"),
    ("project_q.{part}", "project_q.{part}"),
    ("final_proj.{part}", "project_hid.{part}"),
]
_CTC_LINES = [("w2v_encoder.proj.{part}", "lm_head.{part}")]


def to_our_names(names: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Translate fairseq's names.

    Args:
        names: All names of a state dict.

    Returns:
        Our name of each, with the prefix that the model class of the checkpoint has; and the names
        that stand for nothing here.
    """
    names = list(names)
    plain = {name: name.removeprefix("module.") for name in names}
    is_fine_tuned = any(name.startswith(_FINE_TUNED) for name in plain.values())
    has_head = is_fine_tuned or "quantizer.vars" in plain.values()
    body = _BODY if has_head else ""
    lines = [*_BODY_LINES, _GROUP_NORM, _LAYER_NORM, *_OTHER_ATTENTION]
    rules = [
        (_pattern((_FINE_TUNED if is_fine_tuned else "") + theirs), body + ours)
        for theirs, ours in lines
    ]
    head = _CTC_LINES if is_fine_tuned else _PRE_TRAINING_LINES
    rules += [(_pattern(theirs), ours) for theirs, ours in head]
    ours, unmapped = {}, []
    for name in names:
        translated = _translate(plain[name], rules)
        if translated is None:
            unmapped.append(name)
        else:
            ours[name] = translated
    return ours, unmapped


def to_fairseq_names(
    names: Iterable[str], *, feat_extract_norm: str, num_layers: int
) -> tuple[dict[str, str], list[str]]:
    """Translate our names.

    Args:
        names: All names of a state dict.
        feat_extract_norm: The configuration's; fairseq names the two kinds of norm differently.
        num_layers: Blocks of the encoder, each of which has the rotary frequencies in fairseq.

    Returns:
        Our name for each of fairseq's, and those of ours that fairseq has nothing for.
    """
    names = list(names)
    body = _BODY if any(name.startswith(_BODY) for name in names) else ""
    prefix = _FINE_TUNED if any(name.startswith("lm_head.") for name in names) else ""
    norm = _GROUP_NORM if feat_extract_norm == "group" else _LAYER_NORM
    rules = [(_pattern(body + ours), prefix + theirs) for theirs, ours in [*_BODY_LINES, norm]]
    rules += [(_pattern(ours), theirs) for theirs, ours in [*_PRE_TRAINING_LINES, *_CTC_LINES]]
    ours: dict[str, str] = {}
    unmapped = []
    for name in names:
        translated = _translate(name, rules)
        if translated is None:
            unmapped.append(name)
        elif "{i}" in translated:
            ours |= {translated.replace("{i}", str(i)): name for i in range(num_layers)}
        else:
            ours[translated] = name
    return ours, unmapped


def _pattern(template: str) -> re.Pattern[str]:
    text = re.escape(template)
    for field, expression in (("n", r"\d+"), ("i", r"\d+"), ("part", "weight|bias")):
        text = text.replace(re.escape(f"{{{field}}}"), f"(?P<{field}>{expression})")
    return re.compile(text)


def _translate(name: str, rules: list[tuple[re.Pattern[str], str]]) -> str | None:
    for pattern, template in rules:
        match = pattern.fullmatch(name)
        if match is not None:
            for field, value in match.groupdict().items():
                template = template.replace(f"{{{field}}}", value)  # noqa: PLW2901
            return template
    return None
