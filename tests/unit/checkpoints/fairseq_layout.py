"""Files as fairseq writes them, from random weights; written down by hand, without our key map."""

import argparse
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

LETTERS = "|ETAONIHSRDL"


class Size(NamedTuple):
    """Sizes of a model, with fairseq's words for the rest."""

    dim: int = 16
    ffn_dim: int = 20
    num_layers: int = 2
    num_heads: int = 2
    conv: tuple[tuple[int, int, int], ...] = ((8, 10, 5), *[(8, 3, 2)] * 4, *[(8, 2, 2)] * 2)
    conv_bias: bool = True
    extractor_mode: str = "layer_norm"
    layer_norm_first: bool = True
    pos_enc_type: str = "rel_pos"
    attn_type: str = "espnet"
    kernel: int = 5
    conv_pos: int = 4
    conv_pos_groups: int = 2
    latent_groups: int = 2
    latent_vars: int = 6
    vq_dim: int = 8
    final_dim: int = 12


LARGE = Size(
    dim=1024,
    ffn_dim=4096,
    num_layers=24,
    num_heads=16,
    conv=((512, 10, 5), *[(512, 3, 2)] * 4, *[(512, 2, 2)] * 2),
    kernel=31,
    conv_pos=128,
    conv_pos_groups=16,
    latent_vars=320,
    vq_dim=768,
    final_dim=768,
)


def body_shapes(size: Size) -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor of `Wav2Vec2Model` with Conformer blocks, without heads."""
    shapes: dict[str, tuple[int, ...]] = {"mask_emb": (size.dim,)}
    channels = 1
    for n, (width, kernel, _) in enumerate(size.conv):
        prefix = f"feature_extractor.conv_layers.{n}."
        shapes[f"{prefix}0.weight"] = (width, channels, kernel)
        if size.conv_bias:
            shapes[f"{prefix}0.bias"] = (width,)
        norm = f"{prefix}2.1" if size.extractor_mode == "layer_norm" else f"{prefix}2"
        if size.extractor_mode == "layer_norm" or n == 0:
            shapes |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,)}
        channels = width
    shapes |= {
        "layer_norm.weight": (channels,),
        "layer_norm.bias": (channels,),
        "post_extract_proj.weight": (size.dim, channels),
        "post_extract_proj.bias": (size.dim,),
        "encoder.pos_conv.0.bias": (size.dim,),
        "encoder.pos_conv.0.weight_g": (1, 1, size.conv_pos),
        "encoder.pos_conv.0.weight_v": (
            size.dim,
            size.dim // size.conv_pos_groups,
            size.conv_pos,
        ),
        "encoder.layer_norm.weight": (size.dim,),
        "encoder.layer_norm.bias": (size.dim,),
    }
    for i in range(size.num_layers):
        shapes |= {f"encoder.layers.{i}.{n}": s for n, s in _layer_shapes(size).items()}
    return shapes


def _layer_shapes(size: Size) -> dict[str, tuple[int, ...]]:
    dim, ffn_dim = size.dim, size.ffn_dim
    shapes: dict[str, tuple[int, ...]] = {}
    for ffn in ("ffn1", "ffn2"):
        shapes |= {
            f"{ffn}.layer_norm.weight": (dim,),
            f"{ffn}.layer_norm.bias": (dim,),
            f"{ffn}.w_1.weight": (ffn_dim, dim),
            f"{ffn}.w_1.bias": (ffn_dim,),
            f"{ffn}.w_2.weight": (dim, ffn_dim),
            f"{ffn}.w_2.bias": (dim,),
        }
    for norm in ("self_attn_layer_norm", "final_layer_norm", "conv_module.layer_norm"):
        shapes |= {f"{norm}.weight": (dim,), f"{norm}.bias": (dim,)}
    espnet = ("linear_q", "linear_k", "linear_v", "linear_out")
    linear = espnet if size.attn_type == "espnet" else ("q_proj", "k_proj", "v_proj", "out_proj")
    for name in linear:
        shapes |= {f"self_attn.{name}.weight": (dim, dim), f"self_attn.{name}.bias": (dim,)}
    if size.pos_enc_type == "rel_pos":
        per_head = (size.num_heads, dim // size.num_heads)
        shapes |= {
            "self_attn.linear_pos.weight": (dim, dim),
            "self_attn.pos_bias_u": per_head,
            "self_attn.pos_bias_v": per_head,
        }
    if size.pos_enc_type == "rope":
        shapes["self_attn.rotary_emb.inv_freq"] = (dim // size.num_heads // 2,)
    return shapes | {
        "conv_module.pointwise_conv1.weight": (2 * dim, dim, 1),
        "conv_module.depthwise_conv.weight": (dim, 1, size.kernel),
        "conv_module.batch_norm.weight": (dim,),
        "conv_module.batch_norm.bias": (dim,),
        "conv_module.batch_norm.running_mean": (dim,),
        "conv_module.batch_norm.running_var": (dim,),
        "conv_module.batch_norm.num_batches_tracked": (),
        "conv_module.pointwise_conv2.weight": (dim, dim, 1),
    }


def pre_training_shapes(size: Size) -> dict[str, tuple[int, ...]]:
    """The same of a pre-trained model."""
    num_entries = size.latent_groups * size.latent_vars
    channels = size.conv[-1][0]
    return body_shapes(size) | {
        "quantizer.vars": (1, num_entries, size.vq_dim // size.latent_groups),
        "quantizer.weight_proj.weight": (num_entries, channels),
        "quantizer.weight_proj.bias": (num_entries,),
        "project_q.weight": (size.final_dim, size.vq_dim),
        "project_q.bias": (size.final_dim,),
        "final_proj.weight": (size.final_dim, size.dim),
        "final_proj.bias": (size.final_dim,),
    }


def fine_tuned_shapes(size: Size, num_tokens: int) -> dict[str, tuple[int, ...]]:
    """The same of a model that was fine-tuned with CTC."""
    body = {f"w2v_encoder.w2v_model.{name}": s for name, s in body_shapes(size).items()}
    return body | {
        "w2v_encoder.proj.weight": (num_tokens, size.dim),
        "w2v_encoder.proj.bias": (num_tokens,),
    }


def draw(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Random weights under which every tensor matters."""
    state: dict[str, Tensor] = OrderedDict()
    for name, shape in shapes.items():
        noise = torch.randn(shape)
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        elif name.endswith("running_var"):
            state[name] = 0.5 + torch.rand(shape)
        elif name.endswith("inv_freq"):
            state[name] = 1.0 / 10_000 ** (torch.arange(shape[0]) / shape[0])
        elif name.endswith(("norm.weight", "2.1.weight", "0.2.weight", "weight_g")):
            state[name] = 1.0 + 0.2 * noise
        elif len(shape) > 1:
            state[name] = noise / noise[0].numel() ** 0.5
        else:
            state[name] = 0.3 * noise
    return state


def model_settings(size: Size) -> dict[str, Any]:
    """What fairseq's configuration says of such a model."""
    return {
        "_name": "wav2vec2",
        "layer_type": "conformer",
        "extractor_mode": size.extractor_mode,
        "conv_bias": size.conv_bias,
        "conv_feature_layers": " + ".join(f"[{layer}]" for layer in size.conv),
        "encoder_layers": size.num_layers,
        "encoder_embed_dim": size.dim,
        "encoder_ffn_embed_dim": size.ffn_dim,
        "encoder_attention_heads": size.num_heads,
        "activation_fn": "gelu",
        "layer_norm_first": size.layer_norm_first,
        "pos_enc_type": size.pos_enc_type,
        "attn_type": size.attn_type,
        "depthwise_conv_kernel_size": size.kernel,
        "conv_pos": size.conv_pos,
        "conv_pos_groups": size.conv_pos_groups,
        "latent_groups": size.latent_groups,
        "latent_vars": size.latent_vars,
        "latent_dim": size.vq_dim,
        "final_dim": size.final_dim,
        "dropout": 0.0,
        "encoder_layerdrop": 0.05,
        "mask_prob": 0.65,
        "mask_length": 10,
        "unknown_to_everyone": 3,
    }


def dictionary_text(letters: str = LETTERS) -> str:
    """The contents of a `dict.ltr.txt`."""
    return "".join(f"{letter} {1000 - index}\n" for index, letter in enumerate(letters))


def pre_trained(size: Size | None = None, style: str = "cfg") -> dict[str, Any]:
    """The contents of a pre-trained file: with `cfg`, with the older `args`, or of S3PRL."""
    size = Size() if size is None else size
    state = draw(pre_training_shapes(size))
    model = model_settings(size)
    task = {"_name": "audio_pretraining", "normalize": True, "data": "/data/ll60k"}
    criterion = {"_name": "wav2vec", "loss_weights": [0.2, 10.0]}
    if style == "s3prl":
        return {"task_cfg": task, "model_cfg": model, "model_weight": state}
    contents = {
        "args": None,
        "cfg": None,
        "model": state,
        "criterion": OrderedDict(),
        "optimizer_history": [{"num_updates": 400_000, "optimizer_name": "FairseqAdam"}],
        "extra_state": {"epoch": 3, "best": torch.tensor(1.5)},
        "last_optimizer_state": {"state": {0: {"exp_avg": torch.zeros(3), "step": 4}}},
    }
    if style == "args":
        flat = {k: v for k, v in (model | task | criterion).items() if k != "_name"}
        contents["args"] = argparse.Namespace(**flat)
    else:
        contents["cfg"] = {"model": model, "task": task, "criterion": criterion, "common": {}}
    return contents


def fine_tuned(
    size: Size | None = None, letters: str = LETTERS, style: str = "cfg"
) -> dict[str, Any]:
    """The contents of a fine-tuned file, without a dictionary."""
    size = Size() if size is None else size
    state = draw(fine_tuned_shapes(size, 4 + len(letters)))
    model = {
        "_name": "wav2vec_ctc",
        "layer_type": "transformer",  # the default of fine-tuning, which means nothing
        "layerdrop": 0.1,
        "mask_prob": 0.5,
        "apply_mask": True,
        "final_dropout": 0.2,
    }
    task = {"_name": "audio_finetuning", "normalize": True, "labels": "ltr"}
    inner = {"model": model_settings(size), "task": {"normalize": True}}
    if style == "args":
        flat = argparse.Namespace(**inner["model"], normalize=True)
        return {"args": argparse.Namespace(**(model | task), w2v_args=flat), "model": state}
    return {"cfg": {"model": model | {"w2v_args": inner}, "task": task}, "model": state}


class FakeFairseq:
    """Modules named as fairseq's while files are written; they are gone when files are read."""

    def __init__(self) -> None:
        self.dictionary = types.ModuleType("fairseq.data.dictionary")
        self.constants = types.ModuleType("fairseq.dataclass.constants")
        self.dictionary.Dictionary = type(  # type: ignore[attr-defined]
            "Dictionary", (), {"__module__": "fairseq.data.dictionary"}
        )

    def __enter__(self) -> Self:
        for module in (self.dictionary, self.constants):
            sys.modules[module.__name__] = module
        for package in ("fairseq", "fairseq.data", "fairseq.dataclass"):
            sys.modules[package] = types.ModuleType(package)
        return self

    def __exit__(self, *_: object) -> None:
        for name in [n for n in sys.modules if n.partition(".")[0] == "fairseq"]:
            del sys.modules[name]

    def make_dictionary(self, letters: str = LETTERS) -> Any:
        """A `Dictionary` as fairseq pickles it."""
        dictionary = self.dictionary.Dictionary()
        dictionary.symbols = ["<s>", "<pad>", "</s>", "<unk>", *letters]
        dictionary.count = [1] * len(dictionary.symbols)
        dictionary.indices = {s: i for i, s in enumerate(dictionary.symbols)}
        dictionary.bos_word, dictionary.pad_word = "<s>", "<pad>"
        return dictionary


def save(contents: dict[str, Any], path: Path, *, is_zip: bool = True) -> Path:
    """Save as fairseq does, in torch's present or former format."""
    torch.save(contents, path, _use_new_zipfile_serialization=is_zip)
    return path
