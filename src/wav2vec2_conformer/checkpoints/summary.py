"""A checkpoint described: for people as text, for programs as plain values."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from wav2vec2_conformer.checkpoints.architecture import body_prefix
from wav2vec2_conformer.checkpoints.checkpoint import Checkpoint
from wav2vec2_conformer.checkpoints.health import check_health, count_codebook_use
from wav2vec2_conformer.configuration import Wav2Vec2BertConfig, Wav2Vec2ConformerConfig
from wav2vec2_conformer.models.model import Wav2Vec2ConformerModel
from wav2vec2_conformer.nn.log_mel import SPECTRA_PER_FRAME

_BODY_PARTS = [  # the first pattern that a name has in it, and what to call its part
    ("masked_spec_embed", "mask embedding"),
    ("feature_extractor.", "feature encoder"),
    ("feature_projection.", "feature projection"),
    ("pos_conv_embed.", "positional convolution"),
    (".adapter_layer.", "language adapters"),
    ("adapter.", "adapter"),
    (".self_attn", "attention"),
    (".attention.", "attention"),
    (".conv_module.", "convolution modules"),
    (".ffn", "feed-forward modules"),
    (".feed_forward.", "feed-forward modules"),
    ("intermediate_ffn.", "feed-forward modules"),
    ("layer_norm.", "other layer norms"),
]
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked", "inv_freq")
_ARCHITECTURE = (
    "num_hidden_layers",
    "hidden_size",
    "num_attention_heads",
    "intermediate_size",
    "position_embeddings_type",
    "encoder_norm",
    "hidden_act",
    "conv_depthwise_kernel_size",
    "conv_dim",
    "conv_kernel",
    "conv_stride",
    "conv_bias",
    "feat_extract_norm",
    "feat_extract_activation",
    "do_stable_layer_norm",
    "adapter_attn_dim",
    "feature_projection_input_dim",
    "left_max_position_embeddings",
    "right_max_position_embeddings",
)
_MAX_SHOWN = 5


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what is in a checkpoint, as plain values.

    Faults that leave no usable model are listed under `problems`, and then codebooks are not
    looked at.

    Args:
        checkpoint: What was read.
    """
    config = checkpoint.config
    settings = config.to_dict()
    counts = _count_parameters(checkpoint)
    problems = checkpoint.problems()
    use = None if problems else count_codebook_use(checkpoint)
    return {
        "path": str(checkpoint.path),
        "format": checkpoint.source_format,
        "model_class": checkpoint.model_class.__name__,
        "architecture": {name: getattr(config, name) for name in _ARCHITECTURE if name in settings},
        "num_parameters": sum(counts.values()),
        "parameters": counts,
        "dtypes": dict(
            Counter(str(t.dtype).removeprefix("torch.") for t in checkpoint.tensors.values())
        ),
        "vocabulary": _order(checkpoint.vocabulary),
        "preprocessing": {
            "sample_rate_hz": 16_000,
            "do_normalize": checkpoint.do_normalize,
            "num_mel_bands": _count_mel_bands(config),
            "samples_per_frame": config.inputs_to_logits_ratio,
        },
        "provenance": checkpoint.training,
        "health": {
            **check_health(checkpoint.tensors).to_dict(),
            "codebooks": None if use is None else asdict(use),
        },
        "problems": problems,
        "notes": checkpoint.notes,
    }


def _count_mel_bands(config: Wav2Vec2ConformerConfig) -> int | None:
    """Return the bands of the log-mel features that a model hears; None if it hears samples."""
    if not isinstance(config, Wav2Vec2BertConfig):
        return None
    return config.feature_projection_input_dim // SPECTRA_PER_FRAME


def _order(vocabulary: dict[str, int] | None) -> list[str] | None:
    if vocabulary is None:
        return None
    return sorted(vocabulary, key=vocabulary.__getitem__)


def _count_parameters(checkpoint: Checkpoint) -> dict[str, int]:
    """Return the number of parameters of each part, in the order of the model."""
    counts = dict.fromkeys([*(part for _, part in _BODY_PARTS), "quantizer", "head"], 0)
    prefix = body_prefix(checkpoint.config.model_type)
    is_bare = issubclass(checkpoint.model_class, Wav2Vec2ConformerModel)
    for name, tensor in checkpoint.tensors.items():
        if name.endswith(_BUFFERS):
            continue
        part = "quantizer" if name.startswith("quantizer.") else "head"
        if is_bare or name.startswith(prefix):
            part = next(part for text, part in _BODY_PARTS if text in name)
        counts[part] += tensor.numel()
    return {part: count for part, count in counts.items() if count}


def format_description(description: dict[str, Any]) -> str:
    """Return the same as text.

    Args:
        description: Result of `describe`.
    """
    lines = [
        f"{description['path']}: {description['model_class']}, {description['format']}",
        "",
        "architecture",
        *(f"  {name:28} {value}" for name, value in description["architecture"].items()),
        "",
        f"parameters {description['num_parameters']:,}",
        *(f"  {part:28} {count:>13,}" for part, count in description["parameters"].items()),
        "",
        "tensors      "
        + ", ".join(f"{count} {dtype}" for dtype, count in description["dtypes"].items()),
        f"vocabulary   {_format_vocabulary(description['vocabulary'])}",
        f"audio        {_format_audio(description['preprocessing'])}",
        f"provenance   {_format_pairs(description['provenance'])}",
        f"health       {_format_health(description['health'])}",
    ]
    lines += [f"problem      {problem}" for problem in description["problems"]]
    lines += [f"note         {note}" for note in description["notes"]]
    return "\n".join(lines) + "\n"


def _format_vocabulary(tokens: list[str] | None) -> str:
    return "none" if tokens is None else f"{len(tokens)} tokens: {' '.join(tokens)}"


def _format_audio(preprocessing: dict[str, Any]) -> str:
    normalized = "normalised" if preprocessing["do_normalize"] else "not normalised"
    if preprocessing["num_mel_bands"] is not None:
        normalized = f"{preprocessing['num_mel_bands']} log-mel bands, each normalised"
    return (
        f"{preprocessing['sample_rate_hz']} Hz, {normalized}, "
        f"{preprocessing['samples_per_frame']} samples a frame"
    )


def _format_pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "unknown"


def _shorten(names: list[str]) -> list[str]:
    more = ["..."] if len(names) > _MAX_SHOWN else []
    return [_without_prefix(name) for name in names[:_MAX_SHOWN]] + more


def _without_prefix(name: str) -> str:
    """Return a tensor's name without the name of the model, which stands before a head's body."""
    first, _, rest = name.partition(".")
    return rest if first.startswith("wav2vec2") else name


def _format_health(health: dict[str, Any]) -> str:
    faults = [
        f"{len(health[kind])} {called}: {', '.join(_shorten(health[kind]))}"
        for kind, called in (
            ("not_finite", "tensors with NaN or infinity"),
            ("zero", "tensors of zeros"),
            ("constant", "constant tensors"),
            ("batch_norm", "batch norm statistics that look wrong"),
        )
        if health[kind]
    ]
    codebooks = health["codebooks"]
    if codebooks is not None:
        faults.append(
            f"{' and '.join(map(str, codebooks['used']))} of {codebooks['num_entries']} codebook "
            f"entries are chosen in {codebooks['num_frames']} frames of the bundled clips"
        )
    return "\n             ".join(faults) or "nothing unusual"
