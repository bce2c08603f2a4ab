"""The mean of several checkpoints of one training run.

Weights of a run at a constant learning rate wander around a point that none of them reaches; their
mean lies near it, and mostly makes fewer errors than the last of them (Izmailov et al. 2018,
"Averaging Weights Leads to Wider Optima and Better Generalization"; fairseq's
`average_checkpoints.py`).
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from wav2vec2_conformer.checkpoints.checkpoint import Checkpoint
from wav2vec2_conformer.errors import CheckpointError

# Settings that may differ: they say where a checkpoint is from, and change no output.
_PROVENANCE = ("_name_or_path", "converted_from", "dtype", "torch_dtype", "transformers_version")


def average_checkpoints(checkpoints: Iterable[Checkpoint]) -> Checkpoint:
    """Return the mean of checkpoints, batch norm statistics included.

    Two copies of the weights are held at once, however many checkpoints there are, if an iterator
    reads them one by one.

    Args:
        checkpoints: At least one. Means are taken in float32 and returned in the type of the
            first one's tensors; whole numbers, such as counts of updates, are the last one's.

    Returns:
        A checkpoint with the path, configuration and vocabulary of the first.

    Raises:
        CheckpointError: There is none, or they differ in configuration, vocabulary, tensors or
            shapes. So do checkpoints of two formats, which tell different settings.
    """
    rest = iter(checkpoints)
    first = next(rest, None)
    if first is None:
        raise CheckpointError("There is no checkpoint to average.")
    mean = {name: _widen(tensor) for name, tensor in first.tensors.items()}
    count = 1
    for checkpoint in rest:
        _require_same_model(first, checkpoint)
        count += 1
        for name, tensor in checkpoint.tensors.items():
            if tensor.is_floating_point():
                mean[name].lerp_(tensor.float(), 1 / count)
            else:
                mean[name] = tensor
    return replace(
        first,
        tensors={name: mean[name].to(tensor.dtype) for name, tensor in first.tensors.items()},
        notes=[*first.notes, *([f"the mean of {count} checkpoints"] if count > 1 else [])],
    )


def _widen(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32, copy=True) if tensor.is_floating_point() else tensor


def _require_same_model(first: Checkpoint, other: Checkpoint) -> None:
    """Refuse a checkpoint whose weights have another meaning than the first one's."""
    settings = [checkpoint.config.to_dict() for checkpoint in (first, other)]
    differing = sorted(
        name
        for name in settings[0].keys() | settings[1].keys()
        if settings[0].get(name) != settings[1].get(name) and name not in _PROVENANCE
    )
    if first.model_class is not other.model_class:
        why = f"one is a {first.model_class.__name__}, one a {other.model_class.__name__}"
    elif differing:
        why = f"their settings differ: {', '.join(differing)}"
    elif other.vocabulary not in (None, first.vocabulary):
        why = "their vocabularies differ"
    else:
        shapes = [{n: t.shape for n, t in c.tensors.items()} for c in (first, other)]
        if shapes[0] == shapes[1]:
            return
        names = sorted(name for name, _ in shapes[0].items() ^ shapes[1].items())
        why = f"their tensors differ: {', '.join(dict.fromkeys(names))}"
    raise CheckpointError(
        f"{first.path} and {other.path} cannot be averaged: {why}. Name checkpoints of one run."
    )
