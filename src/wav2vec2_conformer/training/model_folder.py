"""Complete model folders: what `from_pretrained` of model and processor reads."""

import json
import logging
import re
import shutil
import zipfile
from pathlib import Path
from typing import TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.text.vocabulary import write_processor

logger = logging.getLogger(__name__)

SAVE_DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}

# Buffers whose values or precision half floats cannot hold: frequencies of positions, and
# variances, which can be far below 6e-8 or above 65504.
_FULL_PRECISION = re.compile(r"(inv_freq|running_mean|running_var|num_batches_tracked)$")


Preprocessing: TypeAlias = Wav2Vec2Processor | Wav2Vec2FeatureExtractor


def write_preprocessing(preprocessing: Preprocessing, folder: str | Path) -> None:
    """Write what turns audio into a model's input and, of CTC models, tokens into text.

    Args:
        preprocessing: A processor, or the feature extractor of a model without a vocabulary.
        folder: Folder of the model.
    """
    if hasattr(preprocessing, "tokenizer"):
        write_processor(preprocessing, folder)
    else:
        preprocessing.save_pretrained(folder)


def save_model_folder(
    model: PreTrainedModel, preprocessing: Preprocessing, folder: str | Path, dtype: str
) -> Path:
    """Write config.json, model.safetensors and the files of the preprocessing.

    The folder appears at once, complete, in place of an older one. Whatever the weights are
    stored in, the configuration says float32, so that a loaded model computes in float32.

    Args:
        model: The model, in float32.
        preprocessing: Its tokenizer and feature extractor, or the latter alone.
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
    write_preprocessing(preprocessing, temporary)
    replace_folder(temporary, folder)
    return folder


def replace_folder(source: Path, target: Path) -> None:
    """Move a folder to a name, in place of what is there.

    Args:
        source: Complete folder on the same disk.
        target: Its new name.
    """
    older = target.with_name(f".{target.name}.old")
    shutil.rmtree(older, ignore_errors=True)
    if target.exists():
        target.rename(older)
    source.rename(target)
    shutil.rmtree(older, ignore_errors=True)


def check_save_dtype(dtype: str) -> None:
    """Raise an InputError if a model cannot be stored in this dtype."""
    if dtype not in SAVE_DTYPES:
        raise InputError(f"save_dtype must be one of {', '.join(SAVE_DTYPES)}, got {dtype!r}")


def latest_checkpoint(output_dir: str | Path) -> Path | None:
    """Return the checkpoint with the most updates, None if there is none.

    A checkpoint with a damaged or unfinished file is passed over, and logged.
    """
    numbers = {
        int(number): path
        for path in Path(output_dir).glob("checkpoint-*")
        if (number := path.name.removeprefix("checkpoint-")).isdigit()
    }
    for _, path in sorted(numbers.items(), reverse=True):
        damaged = next((file for file in _files_to_check(path) if not _is_whole(file)), None)
        if damaged is None:
            return path
        logger.warning("%s is passed over: %s is missing or damaged", path, damaged.name)
    return None


def _files_to_check(checkpoint: Path) -> list[Path]:
    """Return the trainer's state, whether it is there or not, and all files of tensors."""
    tensors = [p for p in checkpoint.rglob("*") if p.suffix in {".safetensors", ".pt", ".pth"}]
    return [checkpoint / "trainer_state.json", *sorted(tensors)]


def _is_whole(file: Path) -> bool:
    """Whether a file can be read to its end, as far as its headers tell."""
    try:
        if file.suffix == ".json":
            json.loads(file.read_text(encoding="utf-8"))
        elif file.suffix == ".safetensors":
            with safe_open(file, framework="pt"):  # compares the header with the file's size
                pass
        else:
            return zipfile.is_zipfile(file)  # its directory is at the end
    except (OSError, ValueError, SafetensorError):
        return False
    return True
