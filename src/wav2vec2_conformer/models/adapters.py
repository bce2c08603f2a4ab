"""One base model, many languages: adapters and output layers that take turns in it.

In the manner of MMS (Pratap et al. 2023, https://arxiv.org/abs/2305.13516, Section 5.4): beside
the model lies a file for each language, `adapter.{language}.safetensors`, with the language's
adapter of every block and its output layer. They are copied into the one model in memory, whose
other weights stay where they are.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers.utils import cached_file

from wav2vec2_conformer.errors import CheckpointError, ConfigurationError, InputError
from wav2vec2_conformer.nn.adapter_language import LanguageAdapter

ADAPTER_FILE = "adapter.{}.safetensors"
HEAD = "lm_head"

# The names of MMS, such as "ara" or "azj-script_latin". A path must not come through.
_LANGUAGE = re.compile(r"\w[\w-]*")


def adapter_file_name(language: str) -> str:
    """Return the name of a language's file.

    Raises:
        InputError: The name of the language is not made of letters, digits, "-" and "_".
    """
    if not _LANGUAGE.fullmatch(language):
        raise InputError(
            f"a language is named by letters, digits, '-' and '_', such as 'ara', got {language!r}"
        )
    return ADAPTER_FILE.format(language)


def adapter_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights that belong to a language, by name: adapters and output layer.

    They are the model's own tensors, not copies.

    Args:
        model: A CTC model with language adapters.

    Raises:
        ConfigurationError: It has none.
    """
    tensors: dict[str, Tensor] = {
        f"{name}.{part}": parameter
        for name, module in model.named_modules()
        if isinstance(module, LanguageAdapter)
        for part, parameter in module.named_parameters()
    }
    if not tensors:
        raise ConfigurationError(
            "this model has no language adapters. Load it with "
            "from_pretrained(..., adapter_attn_dim=16) to give it new ones"
        )
    head = model.get_submodule(HEAD)
    return tensors | {f"{HEAD}.{part}": value for part, value in head.named_parameters()}


@torch.no_grad()
def init_adapters(model: Any) -> None:
    """Draw new adapters, which change nothing at first, and a new output layer.

    Args:
        model: A CTC model with language adapters.

    Raises:
        ConfigurationError: It has none.
    """
    adapter_tensors(model)  # for its check
    std = model.config.initializer_range
    for module in model.modules():
        if isinstance(module, LanguageAdapter):
            nn.init.ones_(module.norm.weight)
            nn.init.zeros_(module.norm.bias)
            nn.init.normal_(module.linear_1.weight, std=std)
            nn.init.zeros_(module.linear_1.bias)
            nn.init.zeros_(module.linear_2.weight)
            nn.init.zeros_(module.linear_2.bias)
    nn.init.normal_(model.lm_head.weight, std=std)
    nn.init.zeros_(model.lm_head.bias)


def read_adapter(place: str | Path, language: str, **options: Any) -> dict[str, Tensor]:
    """Read the file of a language.

    Args:
        place: Folder of the model, or its name on the hub.
        language: Name of the language.
        **options: `cache_dir`, `local_files_only`, `revision`, ... of transformers' `cached_file`.

    Raises:
        CheckpointError: There is no such file, or it is damaged.
        InputError: The language's name is none.
    """
    file_name = adapter_file_name(language)
    try:
        path = cached_file(str(place), filename=file_name, **options)
    except OSError as error:
        found = list_languages(place)
        has = f"its languages are {', '.join(found)}" if found else "it holds no language's file"
        raise CheckpointError(f"{place}: has no {file_name}; {has}") from error
    try:
        return load_file(str(path))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read as safetensors: {error}") from error


def list_languages(place: str | Path) -> list[str]:
    """Return the languages whose files lie in a folder, sorted; none for a name on the hub."""
    prefix, suffix = ADAPTER_FILE.split("{}")
    return sorted(
        path.name.removeprefix(prefix).removesuffix(suffix)
        for path in Path(place).glob(ADAPTER_FILE.format("*"))
    )


@torch.no_grad()
def put_adapter(model: Any, tensors: Mapping[str, Tensor], source: str) -> None:
    """Put a language's weights into a model, in place of those of another.

    Nothing is changed unless all of them fit. Types, devices and what is trained stay as they
    are; the output layer becomes as wide as the language's vocabulary.

    Args:
        model: A CTC model with language adapters.
        tensors: Weights by name, as `adapter_tensors` names them.
        source: Where they are from, for messages.

    Raises:
        CheckpointError: They do not fit this model.
        ConfigurationError: The model has no language adapters.
    """
    own = adapter_tensors(model)
    missing, unknown = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if missing or unknown:
        raise CheckpointError(
            f"{source}: is no adapter of this model: {len(missing)} weights are missing "
            f"({', '.join(missing[:3]) or 'none'}), {len(unknown)} are unknown "
            f"({', '.join(unknown[:3]) or 'none'})"
        )
    head: nn.Linear = model.lm_head
    num_tokens = len(tensors[f"{HEAD}.weight"])
    for name, value in tensors.items():
        expected = own[name].shape
        if name.startswith(f"{HEAD}."):
            expected = torch.Size((num_tokens, *expected[1:]))
        if value.shape != expected:
            raise CheckpointError(
                f"{source}: {name} has the shape {tuple(value.shape)}, this model wants "
                f"{tuple(expected)}. Was the adapter trained on another base model?"
            )
    if num_tokens != head.out_features:
        model.lm_head = nn.Linear(
            head.in_features, num_tokens, device=head.weight.device, dtype=head.weight.dtype
        ).requires_grad_(head.weight.requires_grad)
        model.lm_head.train(head.training)
        model.config.vocab_size = num_tokens
        own = adapter_tensors(model)
    for name, value in tensors.items():
        own[name].copy_(value)
