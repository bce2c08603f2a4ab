"""The clips that a classifier found hardest, for the report of its run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wav2vec2_conformer.training.report.examples import (
    TextExample,
    shorten_name,
    write_hardest,
)

# Classes named with their probabilities.
_NUM_NAMED = 3


def write_hardest_clips(
    run_dir: Path,
    logits: npt.NDArray[np.float64],
    targets: npt.NDArray[Any],
    clips: Sequence[str],
    names: Sequence[str],
    problem: str,
) -> None:
    """Write the clips of an evaluation whose right answer was least likely, or farthest.

    Args:
        run_dir: Folder of the run.
        logits: Outputs [N, C].
        targets: Class of each clip [N], or classes or numbers [N, C].
        clips: Names of the clips.
        names: Of the outputs.
        problem: As in the model's configuration.
    """
    if problem == "regression":
        given = targets.reshape(logits.shape)
        difficulties = np.abs(logits - given).sum(axis=1)
    elif problem == "multi_label_classification":
        shares = 1 / (1 + np.exp(-logits))
        right = targets > 0
        difficulties = -np.log(np.where(right, shares, 1 - shares).clip(1e-12)).sum(axis=1)
    else:
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = powers / powers.sum(axis=1, keepdims=True)
        right = np.arange(logits.shape[1]) == targets.reshape(-1, 1)
        difficulties = 1 - shares[right]

    def describe(i: int) -> TextExample:
        if problem == "regression":
            sides = _list_numbers(given[i]), _list_numbers(logits[i])
        else:
            best = np.argsort(-shares[i], kind="stable")[:_NUM_NAMED].tolist()
            found = ", ".join(f"{names[c]} {100 * shares[i, c]:.1f} %" for c in best)
            sides = ", ".join(names[c] for c in np.flatnonzero(right[i]).tolist()) or "none", found
        return TextExample(*sides, shorten_name(clips[i]), is_transcript=False)

    write_hardest(run_dir, difficulties, describe)


def _list_numbers(values: npt.NDArray[Any]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
