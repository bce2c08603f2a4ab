"""Folders with LoRA matrices and a head, without the base model they belong to."""

import importlib.util
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers.utils import logging

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError, MissingExtraError

LORA_FILE = "adapter_config.json"
_WEIGHTS = ("model*.safetensors*", "pytorch_model*.bin*")


def is_lora_folder(place: str | Path) -> bool:
    """Whether this is a folder that holds LoRA matrices and no weights of a whole model."""
    folder = Path(place)
    return (folder / LORA_FILE).is_file() and not any(
        True for pattern in _WEIGHTS for _ in folder.glob(pattern)
    )


def load_lora_folder(
    folder: str | Path,
    model_class: Any,
    *,
    base: str | Path | None = None,
    dtype: torch.dtype = torch.float32,
) -> Any:
    """Load the base, add the changes to its weights, and take over the head.

    Args:
        folder: What `training.adaptation.lora.save_lora` or a checkpoint of a LoRA run wrote.
        model_class: Class of the model with its head, such as `Wav2Vec2ConformerForCTC`.
        base: Checkpoint of the base model; None for the one that the folder names.
        dtype: Type of the weights. The changes are added in float32.

    Returns:
        A plain model of that class in eval mode.

    Raises:
        CheckpointError: The folder is damaged, is of another head, or its base is not where it
            says.
        MissingExtraError: peft is not installed.
    """
    folder = Path(folder)
    if importlib.util.find_spec("peft") is None:
        raise MissingExtraError(f"{folder}: a folder of LoRA matrices", "peft", "lora")
    import peft  # noqa: PLC0415 - an extra

    lora = _read_json(folder / LORA_FILE)
    base = lora.get("base_model_name_or_path") if base is None else base
    if not base:
        raise CheckpointError(
            f"{folder / LORA_FILE}: base_model_name_or_path names no base model. Write the "
            "folder of the base there"
        )
    config = Wav2Vec2ConformerConfig.from_dict(_read_json(folder / "config.json"))
    try:
        with without_notices():
            model, report = model_class.from_pretrained(
                base,
                config=config,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # the head is the folder's
                output_loading_info=True,
            )
    except OSError as error:
        raise CheckpointError(
            f"{folder}: its base model {base} cannot be loaded: {' '.join(str(error).split())} "
            f"Put it there, or correct base_model_name_or_path in {LORA_FILE}"
        ) from error
    misfits = sorted({str(entry[0]) for entry in report["mismatched_keys"]})
    misfits = [name for name in misfits if name.startswith(f"{model.base_model_prefix}.")]
    if misfits:
        raise CheckpointError(
            f"{folder}: is of another base model than {base}: {len(misfits)} weights there have "
            f"other sizes ({', '.join(misfits[:3])})"
        )
    head = {n for n, child in model.named_children() if child is not model.base_model}
    head = {n for n in head if any(True for _ in model.get_submodule(n).parameters())}
    saved = set(lora.get("modules_to_save") or ())
    if saved != head:  # peft would leave the rest at random
        raise CheckpointError(
            f"{folder}: holds the head of another task ({', '.join(sorted(saved)) or 'none'}); "
            f"{model_class.__name__} has {', '.join(sorted(head))}"
        )
    try:
        with without_notices():
            adapted: Any = peft.PeftModel.from_pretrained(model, str(folder))
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder}: does not fit the base model {base}: {' '.join(str(error).split())[:300]}"
        ) from error
    return adapted.merge_and_unload(safe_merge=True).to(dtype).eval()


@contextmanager
def without_notices() -> Iterator[None]:
    """Keep from users what is no concern of theirs.

    That the base's own head is not taken over, and that peft asks transformers for a name that
    version 6 will not have.
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            yield
    finally:
        logging.set_verbosity(verbosity)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content
