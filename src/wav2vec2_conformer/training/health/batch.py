"""What the detectors want to know of a batch, as plain values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_SAMPLE_RATE_HZ = 16_000
# Of log-mel input, two stacked frames of 10 ms.
_FEATURE_RATE_HZ = 50
# What a model takes, and how much of it there is in a second.
_INPUTS = {"input_values": _SAMPLE_RATE_HZ, "input_features": _FEATURE_RATE_HZ}


@dataclass(frozen=True, slots=True)
class Batch:
    """The utterances of a batch; the sequences run in parallel.

    Attributes:
        names: What to call them: `utterance_ids` of the inputs, or place and duration.
        durations_s: Seconds of audio.
        num_frames: Frames of the encoder.
        audio: The model's input [B, L, ...].
    """

    names: list[str]
    durations_s: list[float]
    num_frames: list[int]
    audio: Tensor

    @property
    def bad_audio(self) -> list[bool]:
        """Of each utterance, whether its input holds NaN or infinity."""
        return (~torch.isfinite(self.audio).flatten(1).all(dim=1)).tolist()


def describe_batch(inputs: Mapping[str, Any], count_frames: Callable[[Tensor], Tensor]) -> Batch:
    """Take names, durations and frames out of the inputs of a forward pass.

    Args:
        inputs: As the trainer has them: `input_values` or `input_features`, perhaps
            `attention_mask` and `utterance_ids`.
        count_frames: Gives frames of the encoder for lengths of the input.
    """
    name = next(name for name in _INPUTS if name in inputs)
    audio: Tensor = inputs[name]
    mask = inputs.get("attention_mask")
    lengths = torch.full((len(audio),), audio.shape[1]) if mask is None else mask.sum(dim=-1).cpu()
    durations_s = [int(length) / _INPUTS[name] for length in lengths]
    names = inputs.get("utterance_ids") or [
        f"number {row + 1} of its batch ({duration_s:.1f} s)"
        for row, duration_s in enumerate(durations_s)
    ]
    frames = count_frames(lengths)
    return Batch([str(n) for n in names], durations_s, [int(n) for n in frames], audio)


def find_bad_rows(values: Tensor) -> list[bool]:
    """Return, of each row [B, ...], whether it holds NaN or infinity."""
    return (~torch.isfinite(values.detach()).flatten(1).all(dim=1)).tolist()
