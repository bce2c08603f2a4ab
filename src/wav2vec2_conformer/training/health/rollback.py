"""Going back to the weights and the optimizer of the last checkpoint, within a run."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.models.pretrained import MAY_BE_MISSING


def roll_back(
    model: nn.Module,
    optimizer: Any,
    lr_scheduler: Any,
    checkpoint: Path,
    *,
    learning_rate_factor: float,
) -> None:
    """Load weights and optimizer, and lower the learning rate for the rest of the run.

    The count of updates, the schedule and the position in the data stay: the batches since
    the checkpoint, among them the one that did the damage, are skipped.

    Args:
        model: The model in training, perhaps a `peft.PeftModel`; changed.
        optimizer: Its optimizer; changed.
        lr_scheduler: A `LambdaLR`, or accelerate's wrapper around one; changed. What it was
            changed to goes into the checkpoints, so a resumed run keeps it.
        checkpoint: Folder of the checkpoint.
        learning_rate_factor: The learning rate is multiplied by it.

    Raises:
        CheckpointError: The checkpoint lacks weights or the optimizer, or the weights are
            spread over processes. Nothing has been changed then.
    """
    is_adapted = hasattr(model, "peft_config")
    weights = _read_adapter(checkpoint) if is_adapted else _read_weights(model, checkpoint)
    path = checkpoint / "optimizer.pt"
    if not path.is_file():
        raise CheckpointError(
            f"{checkpoint} holds no optimizer.pt, so training cannot go back to it; save with "
            "save_only_model=False"
        )
    schedule = getattr(lr_scheduler, "scheduler", lr_scheduler)
    if not hasattr(schedule, "base_lrs"):
        raise CheckpointError(
            f"{type(schedule).__name__} has no base learning rates that a roll back could lower"
        )
    optimizer_state = torch.load(path, map_location="cpu", weights_only=True)
    if is_adapted:
        from peft import set_peft_model_state_dict  # noqa: PLC0415 - of an extra, and in use here

        set_peft_model_state_dict(model, weights)
    else:
        model.load_state_dict(weights, strict=False)
    optimizer.load_state_dict(optimizer_state)
    schedule.base_lrs = [rate * learning_rate_factor for rate in schedule.base_lrs]
    rates = [rate * learning_rate_factor for rate in schedule.get_last_lr()]
    schedule._last_lr = rates  # noqa: SLF001 - what the next log line shows
    for group, base, rate in zip(optimizer.param_groups, schedule.base_lrs, rates, strict=True):
        group["initial_lr"], group["lr"] = base, rate


def _read_adapter(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Return the trained weights of a model with LoRA, whose base does not change."""
    path = checkpoint / "adapter_model.safetensors"
    if not path.is_file():
        raise CheckpointError(
            f"{checkpoint} holds no {path.name}, so training cannot go back to it"
        )
    return load_file(path)


def _read_weights(model: nn.Module, checkpoint: Path) -> dict[str, torch.Tensor]:
    if any(hasattr(parameter, "placements") for parameter in model.parameters()):
        raise CheckpointError(
            "the weights are spread over processes (FSDP); resume from the checkpoint instead"
        )
    weights: dict[str, torch.Tensor] = {}
    for path in sorted(checkpoint.glob("model*.safetensors")):
        weights |= load_file(path)
    missing = [
        name
        for name in model.state_dict()
        if name not in weights and not any(part in name for part in MAY_BE_MISSING)
    ]
    if missing:
        raise CheckpointError(
            f"{checkpoint} lacks {len(missing)} weights of the model ({', '.join(missing[:3])}"
            ", ...), so training cannot go back to it"
        )
    return weights
