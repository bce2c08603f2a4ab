"""Folders whose encoder blocks are stored in 8 bits: a quarter of the size of float32.

Such a folder is one of transformers with `model.int8.safetensors` in place of
`model.safetensors`: the same names, but int8 maps (`nn/int8_linear.py`) store `weight` as whole
numbers and, beside it, `weight_scale`, a factor for each output channel. transformers finds no
weights in it, instead of taking whole numbers for weights.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import PretrainedConfig

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.models.int8 import find_int8_layers
from wav2vec2_conformer.nn.int8_linear import Int8Linear, dequantize_weight, quantize_weight
from wav2vec2_conformer.nn.positions import RotaryPositions

INT8_FILE = "model.int8.safetensors"
_SCALE = "_scale"  # follows the name of a weight


def is_int8_folder(place: str | Path) -> bool:
    """Return whether a place is a folder with weights in 8 bits."""
    return (Path(place) / INT8_FILE).is_file()


def round_to_int8(
    tensors: Mapping[str, Tensor], model_class: Any, config: Wav2Vec2ConformerConfig
) -> dict[str, Tensor]:
    """Return the tensors of a model as such a folder stores them.

    Args:
        tensors: Tensors by their names in the model.
        model_class: Class of the model.
        config: Its configuration.
    """
    with torch.device("meta"):
        model = model_class(config)
    layers = {f"{path}.weight" for path, _, _ in find_int8_layers(model)}
    stored = {}
    for name, tensor in tensors.items():
        if name in layers:
            weight, scale = quantize_weight(tensor.flatten(1))
            stored[name], stored[f"{name}{_SCALE}"] = weight.view(tensor.shape), scale
        else:
            stored[name] = tensor
    return stored


def restore_float(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that stored ones stand for, in floating types.

    Raises:
        CheckpointError: A scale is missing.
    """
    return {
        name: _multiply(tensor, stored[_scale_of(name, stored)])
        if tensor.dtype == torch.int8
        else tensor
        for name, tensor in stored.items()
        if not name.endswith(_SCALE)
    }


def read_int8_folder(
    folder: str | Path, model_class: Any, *, dtype: torch.dtype | None = None
) -> tuple[Any, dict[str, Any]]:
    """Load a model from a folder with weights in 8 bits.

    Args:
        folder: The folder.
        model_class: Class of the model with its head, or of a bare one.
        dtype: None keeps the blocks in 8 bits; a floating type turns them back into it. In
            float32 that is without loss: a conversion gives the same whole numbers again.

    Returns:
        The model in eval mode on the CPU, and what `from_pretrained` reports: the names of
        `missing_keys` and `unexpected_keys`.

    Raises:
        CheckpointError: The folder is damaged, or of another architecture.
    """
    from transformers.initialization import no_init_weights  # noqa: PLC0415 - slow

    folder = Path(folder)
    values, _ = PretrainedConfig.get_config_dict(folder)
    model_class = model_class.class_for(
        values.get("model_type", Wav2Vec2ConformerConfig.model_type)
    )
    config = model_class.config_class.from_pretrained(folder)
    with no_init_weights():  # memory that nobody writes to is not taken
        model = model_class(config)
    try:
        with safe_open(folder / INT8_FILE, framework="pt") as file:
            report = _fill(model, file, keeps_int8=dtype is None)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{folder / INT8_FILE}: cannot be read: {error}.") from error
    return (model if dtype is None else model.to(dtype)).eval(), report


@torch.no_grad()
def _fill(model: Any, file: Any, *, keeps_int8: bool) -> dict[str, Any]:
    """Put a file's tensors into a model, one after the other.

    Raises:
        CheckpointError: A tensor of the body is missing or has another shape.
    """
    stored = _names_in(model, list(file.keys()))
    used = set()
    if keeps_int8:
        for path, parent, child in find_int8_layers(model):
            weight, bias = f"{path}.weight", f"{path}.bias"
            scale = f"{weight}{_SCALE}"
            if not {weight, scale} <= stored.keys():
                continue
            levels, factors = (file.get_tensor(stored[name]) for name in (weight, scale))
            _require_shape(weight, levels, getattr(parent, child).weight.shape)
            offset = file.get_tensor(stored[bias]) if bias in stored else None
            setattr(parent, child, Int8Linear(levels.flatten(1), factors, offset))
            used |= {weight, scale, bias}
    missing = []
    for name, target in _float_tensors(model):
        if name not in stored:
            missing.append(name)
            continue
        tensor = file.get_tensor(stored[name])
        if tensor.dtype == torch.int8:
            scale = _scale_of(name, stored)
            tensor = _multiply(tensor, file.get_tensor(stored[scale]))
            used.add(scale)
        _require_shape(name, tensor, target.shape)
        target.copy_(tensor)
        used.add(name)
    _begin_missing(model, missing)
    for module in model.modules():
        if isinstance(module, RotaryPositions):
            module.restore_rounded_frequencies()
    return {"missing_keys": missing, "unexpected_keys": sorted(stored.keys() - used)}


def _scale_of(name: str, stored: Mapping[str, Any]) -> str:
    scale = f"{name}{_SCALE}"
    if scale not in stored:
        raise CheckpointError(
            f"{INT8_FILE}: holds whole numbers for {name}, but no {scale}. The file is damaged: "
            "make it again with `wav2vec2-conformer convert`."
        )
    return scale


def _multiply(weight: Tensor, scale: Tensor) -> Tensor:
    return dequantize_weight(weight.flatten(1), scale).view(weight.shape)


def _float_tensors(model: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a model's checkpoint that are no parts of int8 maps."""
    for path, module in model.named_modules():
        if isinstance(module, Int8Linear):
            continue
        own = dict(module.named_parameters(recurse=False))
        own |= dict(module.named_buffers(recurse=False))
        for name in own.keys() - module._non_persistent_buffers_set:  # noqa: SLF001 - torch's only way
            yield f"{path}.{name}".removeprefix("."), own[name]


def _names_in(model: Any, stored: list[str]) -> dict[str, str]:
    """Return stored names by the model's: it may have a head where the file has none, or not."""
    prefix = f"{model.base_model_prefix}."
    if model.base_model is model:
        return {name.removeprefix(prefix): name for name in stored}
    if any(name.startswith(prefix) for name in stored):
        return {name: name for name in stored}
    return {f"{prefix}{name}": name for name in stored}


def _require_shape(name: str, tensor: Tensor, expected: torch.Size) -> None:
    if tensor.shape != expected:
        raise CheckpointError(
            f"{INT8_FILE}: {name} is of shape {tuple(tensor.shape)}, but the config.json beside "
            f"it wants {tuple(expected)}. Use the files that belong together."
        )


def _begin_missing(model: Any, missing: list[str]) -> None:
    """Give what the file does not hold a value.

    Raises:
        CheckpointError: What is missing is a part of the body that matters.
    """
    from wav2vec2_conformer.models.pretrained import parts_without_use  # noqa: PLC0415 - slow

    prefix = "" if model.base_model is model else f"{model.base_model_prefix}."
    may_be_missing = parts_without_use(model.config)
    parameters = dict(model.named_parameters())
    for name in missing:
        if name.startswith(prefix) and not any(part in name for part in may_be_missing):
            raise CheckpointError(
                f"{INT8_FILE}: holds no {name}, which the config.json beside it wants. Use the "
                "files that belong together."
            )
        if name in parameters:  # buffers have their values from the start
            parameters[name].zero_()
