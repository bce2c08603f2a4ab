"""Settings of a run to transformers' `TrainingArguments`."""

import importlib.util
import logging
import os
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from wav2vec2_conformer.errors import InputError, MissingExtraError
from wav2vec2_conformer.training.model_folder import check_save_dtype
from wav2vec2_conformer.training.report_targets import check_report_target, split_report_targets
from wav2vec2_conformer.training.run_settings import RunSettings

logger = logging.getLogger(__name__)

# With a time limit alone, the number of updates is not known: more than any run makes.
UNLIMITED_STEPS = 10_000_000


def check_run(settings: RunSettings) -> None:
    """Check what every run needs, before anything is read.

    Args:
        settings: Of the run.

    Raises:
        InputError: One is missing or out of range, or two contradict each other.
        MissingExtraError: accelerate, or what `report_to` needs, is not installed.
    """
    if importlib.util.find_spec("accelerate") is None:
        raise MissingExtraError("training", "accelerate", "train")
    check_report_target(settings.report_to)
    check_save_dtype(settings.save_dtype)
    if isinstance(settings.train, str | Path):
        raise InputError(f"train must be a list of data sets, got {settings.train!r} by itself")
    if not settings.train:
        raise InputError("give training data (train)")
    if settings.output_dir is None:
        raise InputError("give a folder for the checkpoints and the final model (output_dir)")
    if settings.max_steps is not None and settings.num_train_epochs is not None:
        raise InputError(
            f"give max_steps ({settings.max_steps}) or num_train_epochs "
            f"({settings.num_train_epochs:g}), not both"
        )
    ends = ("max_steps", "num_train_epochs", "time_limit_minutes")
    if all(getattr(settings, name) is None for name in ends):
        raise InputError(f"nothing ends the run: give {', '.join(ends[:2])} or {ends[2]}")
    for name in (*ends[:2], "update_seconds"):
        value = getattr(settings, name)
        if value is not None and not value > 0:
            raise InputError(f"{name} must be positive, got {value}")
    if settings.load_best_model_at_end and settings.valid is None:
        raise InputError("load_best_model_at_end needs validation data (valid)")


def build_arguments(settings: RunSettings, **more: Any) -> TrainingArguments:
    """Return the trainer's arguments.

    Args:
        settings: Of the run.
        **more: Further arguments, which the task decides.

    Raises:
        InputError: They contradict each other.
    """
    has_valid = settings.valid is not None
    max_steps = settings.max_steps
    if max_steps is None:
        max_steps = UNLIMITED_STEPS if settings.num_train_epochs is None else -1
    values: dict[str, Any] = {
        "output_dir": str(settings.output_dir),
        "max_steps": max_steps,
        "num_train_epochs": settings.num_train_epochs or 1.0,
        "learning_rate": settings.learning_rate,
        "warmup_steps": settings.warmup_steps,
        "weight_decay": settings.weight_decay,
        "adam_beta2": settings.adam_beta2,
        "max_grad_norm": settings.max_grad_norm,
        "optim": "adamw_torch_fused",
        "gradient_accumulation_steps": settings.gradient_accumulation_steps,
        "bf16": settings.bf16,
        "use_cpu": settings.use_cpu or not torch.accelerator.is_available(),
        "seed": settings.seed,
        "logging_steps": settings.logging_steps,
        "eval_strategy": "steps" if has_valid else "no",
        "eval_steps": settings.eval_steps,
        "save_strategy": "steps",
        "save_steps": settings.save_steps,
        "save_total_limit": settings.save_total_limit,
        "load_best_model_at_end": settings.load_best_model_at_end,
        "dataloader_num_workers": settings.num_workers,
        "dataloader_pin_memory": torch.accelerator.is_available(),
        # Counts samples of audio.
        "include_num_input_tokens_seen": "non_padding",
        "label_names": ["labels"],
        # Our batches are of different sizes; the sampler gives each process as many.
        "accelerator_config": {"even_batches": False},
        "report_to": split_report_targets(settings.report_to) or "none",
        "disable_tqdm": True,
    }
    try:
        arguments = TrainingArguments(**values | more | dict(settings.trainer_arguments))
    except (TypeError, ValueError) as error:
        raise InputError(f"TrainingArguments: {' '.join(str(error).split())}") from error
    _check_sharding(arguments)
    if arguments.bf16 and arguments.use_cpu and not has_fast_bfloat16():
        logger.warning(
            "bf16: this processor has no instructions for it, so products take tens of times as "
            "long as in float32; train with bf16=false"
        )
    if settings.time_limit_minutes is not None and arguments.world_size > 1:
        raise InputError(
            "time_limit_minutes works for a single process, as the clocks of several do not "
            f"agree on the last update; got {arguments.world_size} processes. Use max_steps"
        )
    return arguments


def has_fast_bfloat16() -> bool:
    """Tell whether oneDNN has products in bfloat16 for this processor.

    Elsewhere torch falls back to loops: 0.9 GFLOP/s on an AVX2 core that does 52 in float32.
    """
    if not torch.backends.mkldnn.is_available():
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001 - torch's only way


def _check_sharding(arguments: TrainingArguments) -> None:
    # accelerate sets the variable too, when the arguments ask for FSDP.
    if not arguments.fsdp and os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true":
        raise InputError(
            "accelerate launch was told to shard the model (--use_fsdp, or its configuration), "
            "which is a setting of the training here. Start it without, by accelerate launch "
            "--multi_gpu, and add trainer_arguments.fsdp=true to the command that it starts"
        )
    if (arguments.fsdp_plugin_args or {}).get("activation_checkpointing"):
        raise InputError(
            "fsdp_config.activation_checkpointing computes blocks twice without telling them, so "
            "that running statistics of batch norms would move twice. Leave it out, and use "
            "trainer_arguments.activation_checkpointing=true"
        )
    if arguments.fsdp and (arguments.use_cpu or arguments.world_size == 1):
        # The trainer would leave it out without a word.
        raise InputError(
            "fsdp shards a model over the GPUs of several processes (torchrun); got "
            f"{arguments.world_size} on {arguments.device.type}. Leave fsdp out"
        )
