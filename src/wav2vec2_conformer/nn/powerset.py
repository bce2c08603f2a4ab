"""Classes for sets of speakers who speak at once.

Paper: Plaquet & Bredin 2023, "Powerset multi-class cross entropy loss for neural speaker
diarization", https://arxiv.org/abs/2310.13025, Section 2.

Shapes used in this file:
    B  recordings in the batch
    T  frames
    S  speakers
    C  classes: the sets of at most so many speakers
"""

from itertools import combinations
from math import comb

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from wav2vec2_conformer.errors import InputError


def build_powerset(num_speakers: int, max_simultaneous: int) -> Bool[Tensor, "C S"]:
    """Return which speakers each class holds.

    The order of the classes is part of a checkpoint: nobody, then each speaker alone, then
    pairs (0 and 1, 0 and 2, ..., 1 and 2, ...), then larger sets in the same order.

    Args:
        num_speakers: S, at least 1.
        max_simultaneous: Speakers of the largest set, 1 to S.

    Raises:
        InputError: A number is out of range.
    """
    if num_speakers < 1 or not 1 <= max_simultaneous <= num_speakers:
        raise InputError(
            "a powerset needs at least 1 speaker, and of these 1 or more at once, but got "
            f"num_speakers={num_speakers} and max_simultaneous={max_simultaneous}"
        )
    sets = [
        members
        for size in range(max_simultaneous + 1)
        for members in combinations(range(num_speakers), size)
    ]
    rows = [[speaker in members for speaker in range(num_speakers)] for members in sets]
    # The device is named because models are built on the meta device before they are loaded.
    return torch.tensor(rows, dtype=torch.bool, device="cpu")


def count_speakers(num_classes: int, max_simultaneous: int) -> int:
    """Return S, of how many speakers there are so many sets.

    Args:
        num_classes: C.
        max_simultaneous: Speakers of the largest set.

    Raises:
        InputError: There is no such number of speakers.
    """
    if max_simultaneous < 1:
        raise InputError(f"max_simultaneous must be at least 1, got {max_simultaneous}")
    num_speakers = max_simultaneous
    while (found := _count_classes(num_speakers, max_simultaneous)) < num_classes:
        num_speakers += 1
    if found != num_classes:
        sizes = ", ".join(
            f"{_count_classes(n, max_simultaneous)} for {n}"
            for n in range(max_simultaneous, max_simultaneous + 3)
        )
        raise InputError(
            f"{num_classes} classes are not the sets of at most {max_simultaneous} of any number "
            f"of speakers. Possible are {sizes} speakers, and so on"
        )
    return num_speakers


def find_classes(
    speaks: Bool[Tensor, "B T S"], powerset: Bool[Tensor, "C S"]
) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """Return the class of each frame's set of speakers, and whether there is one.

    Args:
        speaks: Whether a speaker speaks in a frame.
        powerset: As `build_powerset` returns it.

    Returns:
        Numbers of classes, 0 where more speak than the largest set holds; and True where the
        frame's set is a class.
    """
    weights = 2 ** torch.arange(powerset.shape[1], device=speaks.device)
    codes = (powerset.to(speaks.device) * weights).sum(dim=1)  # (C,)
    class_of_code = torch.full((2 ** powerset.shape[1],), -1, device=speaks.device)
    class_of_code[codes] = torch.arange(len(codes), device=speaks.device)
    classes = class_of_code[(speaks * weights).sum(dim=2)]
    return classes.clamp(min=0), classes >= 0


def find_marginals(
    log_probs: Float[Tensor, "B T C"], powerset: Bool[Tensor, "C S"]
) -> Float[Tensor, "B T S"]:
    """Return the probability that a speaker is in the set of a frame.

    Args:
        log_probs: Natural logarithms of the classes' probabilities.
        powerset: As `build_powerset` returns it.
    """
    members = powerset.to(log_probs.device, log_probs.dtype)
    # Rounding may bring the sum of many classes above 1.
    return (log_probs.exp() @ members).clamp(max=1.0)


def _count_classes(num_speakers: int, max_simultaneous: int) -> int:
    return sum(comb(num_speakers, size) for size in range(max_simultaneous + 1))
