"""Complete model folders: what `from_pretrained` of model and processor reads."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import (
    PreTrainedModel,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    Wav2Vec2Processor,
)

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.text.vocabulary import write_processor

SAVE_DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}

# Buffers whose values or precision half floats cannot hold: frequencies of positions, and
# variances, which can be far below 6e-8 or above 65504.
_FULL_PRECISION = re.compile(r"(inv_freq|running_mean|running_var|num_batches_tracked)$")


def save_model_folder(
    model: PreTrainedModel, processor: Wav2Vec2Processor, folder: str | Path, dtype: str
) -> Path:
    """Write config.json, model.safetensors, vocab.json and the processor's two files.

    The folder appears at once, complete, in place of an older one. Whatever the weights are
    stored in, the configuration says float32, so that a loaded model computes in float32.

    Args:
        model: The model, in float32.
        processor: Its tokenizer and feature extractor.
        folder: The folder to write.
        dtype: What the weights are stored in: "float32", "float16" or "bfloat16".
            Statistics of batch norms and the frequencies of positions stay in float32.

    Returns:
        The folder.

    Raises:
        InputError: The dtype is another.
    """
    check_save_dtype(dtype)
    folder = Path(folder)
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    state_dict = {
        name: value
        if _FULL_PRECISION.search(name) or not value.is_floating_point()
        else value.to(SAVE_DTYPES[dtype])
        for name, value in model.state_dict().items()
    }
    model.save_pretrained(temporary, state_dict=state_dict)
    write_processor(processor, temporary)
    if folder.exists():
        shutil.rmtree(folder)
    temporary.rename(folder)
    return folder


def check_save_dtype(dtype: str) -> None:
    """Raise an InputError if a model cannot be stored in this dtype."""
    if dtype not in SAVE_DTYPES:
        raise InputError(f"save_dtype must be one of {', '.join(SAVE_DTYPES)}, got {dtype!r}")


def latest_checkpoint(output_dir: str | Path) -> Path | None:
    """Return the checkpoint with the most updates, None if there is none.

    A checkpoint that was being written when the run was killed is passed over: the state of
    the trainer is the last of its files.
    """
    checkpoints = {
        int(path.name.removeprefix("checkpoint-")): path
        for path in Path(output_dir).glob("checkpoint-*")
        if path.name.removeprefix("checkpoint-").isdigit() and _has_state(path)
    }
    return checkpoints[max(checkpoints)] if checkpoints else None


def _has_state(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


class CheckpointProcessor(TrainerCallback):
    """Put the processor's files into each checkpoint, which makes it a model folder.

    Args:
        processor: Tokenizer and feature extractor of the model.
    """

    def __init__(self, processor: Wav2Vec2Processor) -> None:
        self._processor = processor

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Write the files."""
        if state.is_world_process_zero:
            folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
            write_processor(self._processor, folder)
