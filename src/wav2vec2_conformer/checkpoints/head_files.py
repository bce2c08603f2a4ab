"""Checkpoints that hold a head alone, beside the encoder that it was trained on.

`from_pretrained` takes such a folder like any other: `model.safetensors.index.json` says that
the encoder's weights lie in the other checkpoint's file, and the head's in `head.safetensors`,
which also holds a digest of the encoder.
"""

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from wav2vec2_conformer.checkpoints.encoder_digest import digest_encoder
from wav2vec2_conformer.errors import CheckpointError

HEAD_FILE = "head.safetensors"
_WEIGHTS_FILE = "model.safetensors"
_INDEX_FILE = "model.safetensors.index.json"
_BASE_PREFIX = "wav2vec2_conformer."
_DIGEST_KEY = "encoder_digest"
# Beside the weights, as far as they are there: what the model is, hears, and how it decides.
_COPIED_FILES = (
    "config.json",
    "preprocessor_config.json",
    "verification.json",
    "diarization.json",
)


def split_head(
    checkpoint: Path, encoder: Path, destination: Path, *, dtype: torch.dtype = torch.float16
) -> None:
    """Write the head of a checkpoint into a folder of its own.

    Args:
        checkpoint: Complete folder of a model whose encoder was not trained.
        encoder: Complete folder of the checkpoint that it was started from; `destination` will
            point to its file.
        destination: Folder to write, made where it is not there.
        dtype: Of the head's weights.

    Raises:
        CheckpointError: When the encoders differ, or a file cannot be read.
        OSError: When a file cannot be written.
    """
    weights = read_weights(checkpoint)
    own = {name: value for name, value in weights.items() if not name.startswith(_BASE_PREFIX)}
    digest = digest_file(encoder)
    if _digest(weights) != digest:
        raise CheckpointError(
            f"{checkpoint}: its encoder is not that of {encoder}, so the head cannot do without "
            "it. Train the head alone (freeze_encoder)."
        )
    destination.mkdir(parents=True, exist_ok=True)
    for name in _COPIED_FILES:
        if (checkpoint / name).is_file():
            shutil.copyfile(checkpoint / name, destination / name)
        else:
            (destination / name).unlink(missing_ok=True)
    head = {name: value.to(dtype).contiguous() for name, value in own.items()}
    # Not `save_file`, whose files nobody else may read.
    content = save(head, metadata={"format": "pt", _DIGEST_KEY: digest})
    (destination / HEAD_FILE).write_bytes(content)
    shared = Path(os.path.relpath(encoder.resolve() / _WEIGHTS_FILE, destination.resolve()))
    places = dict.fromkeys(read_weights(encoder), shared.as_posix())
    index = {
        "metadata": {},
        "weight_map": {
            **{name: place for name, place in places.items() if name.startswith(_BASE_PREFIX)},
            **dict.fromkeys(head, HEAD_FILE),
        },
    }
    text = json.dumps(index, indent=1, sort_keys=True) + "\n"
    (destination / _INDEX_FILE).write_text(text, encoding="utf-8")


def check_head(head: Path, encoder: Path) -> None:
    """Refuse a head that was trained on another encoder than the one it points to.

    Args:
        head: Folder that `split_head` wrote.
        encoder: The encoder's folder.

    Raises:
        CheckpointError: When it was, or a file cannot be read.
    """
    try:
        with safe_open(head / HEAD_FILE, "pt") as file:
            trained_on = (file.metadata() or {}).get(_DIGEST_KEY)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{head / HEAD_FILE}: cannot be read: {error}") from error
    if trained_on != digest_file(encoder):
        raise CheckpointError(
            f"the head {head.name} was trained on another encoder than {encoder.name}, so it "
            "would hear nonsense. Install the package anew or name a checkpoint (-m/--model on "
            "the command line); in the sources, train the heads again (recipes/heads)."
        )


def digest_file(encoder: Path) -> str:
    """Return the digest of the encoder in a checkpoint's folder.

    Raises:
        CheckpointError: When it cannot be read.
    """
    return _digest(read_weights(encoder))


def read_weights(checkpoint: Path) -> dict[str, Tensor]:
    """Return the weights in a folder with one file of them.

    Raises:
        CheckpointError: When it cannot be read.
    """
    path = checkpoint / _WEIGHTS_FILE
    try:
        weights: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    return weights


def _digest(weights: dict[str, Tensor]) -> str:
    start = len(_BASE_PREFIX)
    return digest_encoder(
        {name[start:]: value for name, value in weights.items() if name.startswith(_BASE_PREFIX)}
    )
