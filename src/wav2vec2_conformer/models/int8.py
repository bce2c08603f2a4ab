"""Turning a loaded model into one whose encoder blocks multiply in 8 bits."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn.adapter_language import LanguageAdapter
from wav2vec2_conformer.nn.int8_linear import Int8Linear, has_int8_products

POINTWISE_CONVOLUTIONS = ("pointwise_conv1", "pointwise_conv2")


def convert_to_int8(model: Any) -> None:
    """Put int8 maps in the place of a model's linear ones.

    They are converted one after the other, and the float weights of each are released before
    the next. From then on the model computes no gradients, stays on the CPU, and is not saved by
    `save_pretrained`.

    Args:
        model: A model of this package in evaluation mode on the CPU, with any head. Linear maps
            of its encoder's blocks are converted: attention, feed-forward, pointwise
            convolutions. The feature encoder and its projection, norms, depthwise convolutions,
            adapters and heads stay as they are.

    Raises:
        InputError: This processor has no exact int8 products, or the model is on a GPU or in
            training mode.
    """
    require_int8_products()
    if model.device.type != "cpu":
        raise InputError(
            f"int8 runs on the CPU only, and the model is on {model.device}. Move it with "
            ".to('cpu'), or use bfloat16 or float16 there."
        )
    if model.training:
        raise InputError("int8 is for evaluation only: call model.eval() first.")
    model.requires_grad_(requires_grad=False)
    forbid_saving(model)
    for _, parent, name in find_int8_layers(model):
        layer = getattr(parent, name)
        if not isinstance(layer, Int8Linear):
            weight = layer.weight.flatten(1)  # a convolution's has a third axis of one
            setattr(parent, name, Int8Linear.from_float(weight, layer.bias))
        del layer


def find_int8_layers(model: nn.Module) -> list[tuple[str, nn.Module, str]]:
    """Return the place of each linear map that int8 applies to: its path, parent and name there.

    It keeps no map alive that is replaced meanwhile.
    """
    return [
        (f"{parent_name}.{name}", parent, name)
        for block_name, block in _blocks(model)
        for parent_name, parent in block.named_modules(prefix=block_name)
        for name, child in parent.named_children()
        if not isinstance(parent, LanguageAdapter)
        and (isinstance(child, nn.Linear | Int8Linear) or name in POINTWISE_CONVOLUTIONS)
    ]


def forbid_saving(model: Any) -> None:
    """Let `save_pretrained` of an int8 model refuse."""
    model.save_pretrained = _refuse_to_save


def _refuse_to_save(*_: Any, **__: Any) -> None:
    """Stand in for `save_pretrained`, which would write whole numbers under the name of weights.

    Raises:
        InputError: Always.
    """
    raise InputError(
        "an int8 model is not saved by save_pretrained. Make a folder of the float checkpoint "
        "with: wav2vec2-conformer convert CHECKPOINT FOLDER --compute-type int8"
    )


def is_int8(model: nn.Module) -> bool:
    """Return whether a model was converted to int8."""
    return any(isinstance(module, Int8Linear) for module in model.modules())


def require_int8_products() -> None:
    """Refuse int8 where it would be slow or wrong.

    Raises:
        InputError: This processor has no exact int8 products.
    """
    if not has_int8_products():
        raise InputError(
            "compute_type int8 needs an x86 processor with VNNI (AVX512-VNNI, AVX-VNNI or AMX), "
            "which this one is not. Use float32."
        )


def _blocks(model: Any) -> Iterator[tuple[str, nn.Module]]:
    base = model.base_model
    prefix = "" if base is model else f"{model.base_model_prefix}."
    for index, block in enumerate(base.encoder.layers):
        yield f"{prefix}encoder.layers.{index}", block
