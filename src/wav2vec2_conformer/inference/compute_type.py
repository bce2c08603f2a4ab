"""What a model calculates in: the types a user can name, and the choice of the fastest."""

import logging
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import torch

from wav2vec2_conformer.checkpoints.int8_folder import is_int8_folder, read_int8_folder
from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.models.int8 import convert_to_int8, is_int8, require_int8_products
from wav2vec2_conformer.nn.int8_linear import has_int8_products

ComputeType: TypeAlias = Literal["auto", "float32", "bfloat16", "float16", "int8"]

# Of int8 models what is not in 8 bits is in float32.
_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.float32,
}
_log = logging.getLogger(__name__)


def check_compute_type(compute_type: str) -> None:
    """Refuse a name that is none of `ComputeType`.

    Raises:
        InputError: There is no such type.
    """
    if compute_type not in get_args(ComputeType):
        raise InputError(
            f"compute_type must be one of {', '.join(get_args(ComputeType))}, but is "
            f"{compute_type!r}."
        )


def choose_compute_type(compute_type: str, device: torch.device) -> str:
    """Return the type that a name stands for on a device.

    Args:
        compute_type: One of `ComputeType`. `auto` is what is fastest where results stay what
            they are, up to rounding: on a GPU bfloat16 if it has that, else float32; on a CPU
            bfloat16 if it has matrix units for it (AMX), else int8 if it has VNNI, else float32.
            The choice goes to the log.
        device: Where the model will run.

    Raises:
        InputError: There is no such type, or not on this device.
    """
    check_compute_type(compute_type)
    if compute_type == "auto":
        chosen, reason = _choose_fastest(device)
        _log.info("compute type: %s (%s)", chosen, reason)
        return chosen
    if compute_type == "int8":
        if device.type != "cpu":
            raise InputError(
                f"compute_type int8 runs on the CPU only, and the device is {device}. Use "
                "bfloat16 or float16 there, or device='cpu'."
            )
        require_int8_products()
    return compute_type


def _choose_fastest(device: torch.device) -> tuple[str, str]:
    """Return a type and why."""
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bfloat16", "this GPU computes in it"
        return "float32", "this GPU has no bfloat16"
    if device.type != "cpu":
        return "float32", f"nothing else was tried on {device.type}"
    if torch.cpu._is_amx_tile_supported():  # noqa: SLF001 - before torch 2.12 its only way
        return "bfloat16", "this processor has matrix units for it, AMX"
    if has_int8_products():
        return "int8", "this processor has VNNI"
    return "float32", "this processor has neither AMX nor VNNI"


def load_model(
    model_class: Any, place: str | Path, *, device: torch.device, compute_type: str, **options: Any
) -> tuple[Any, dict[str, Any]]:
    """Load a checkpoint to calculate in a type.

    Args:
        model_class: Class of the model with its head, or of a bare one.
        place: What `from_pretrained` takes, or a folder with weights in 8 bits.
        device: Where the model is to run.
        compute_type: One of `ComputeType`.
        **options: Go to `from_pretrained`; None for weights in 8 bits.

    Returns:
        The model in eval mode on its device, and what `from_pretrained` reports: the names of
        `missing_keys` and `unexpected_keys`.

    Raises:
        CheckpointError: The checkpoint is damaged, or of another architecture.
        InputError: There is no such type, or not on this device.
        OSError: The checkpoint cannot be read.
    """
    chosen = choose_compute_type(compute_type, device)
    if is_int8_folder(place):
        if any(value is not None for value in options.values()):
            raise CheckpointError(
                f"{place}: is stored in 8 bits, in one language and as it is; "
                f"{', '.join(options)} cannot be given. Load the float checkpoint for that."
            )
        dtype = None if chosen == "int8" else _DTYPES[chosen]
        model, report = read_int8_folder(place, model_class, dtype=dtype)
    else:
        model, report = model_class.from_pretrained(
            place, dtype=_DTYPES[chosen], output_loading_info=True, **options
        )
    return finish_loading(model, device=device, compute_type=chosen), report


def finish_loading(model: Any, *, device: torch.device, compute_type: str) -> Any:
    """Return a loaded model in eval mode, on its device, in its type.

    Args:
        model: In float32, or already in the type.
        device: Where the model is to run.
        compute_type: One of `ComputeType`.

    Raises:
        InputError: There is no such type, or not on this device.
    """
    chosen = choose_compute_type(compute_type, device)
    model = model.to(device, _DTYPES[chosen]).eval()
    if chosen == "int8" and not is_int8(model):
        convert_to_int8(model)
    return model
