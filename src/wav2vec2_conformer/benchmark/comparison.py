"""Two participants' answers to a row."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from wav2vec2_conformer.benchmark.row import Row
from wav2vec2_conformer.benchmark.turns import Outcome


def fill_speed(
    row: Row, outcomes: Mapping[str, Outcome], ours: str, peer: str, request: str
) -> Row:
    """Return the row with how many times as fast ours is: the median of the rounds' ratios."""
    wall = _ratios(outcomes[peer], outcomes[ours], request, "wall_s")
    cpu = _ratios(outcomes[peer], outcomes[ours], request, "cpu_s")
    return _fill(row, wall, cpu, outcomes, (ours, peer))


def fill_memory(
    row: Row, outcomes: Mapping[str, Outcome], ours: str, peer: str, request: str
) -> Row:
    """Return the row with our share of the peer's peak memory beyond the weights."""
    shares = _ratios(outcomes[ours], outcomes[peer], request, "memory_mb")
    row = _fill(row, shares, [], outcomes, (ours, peer))
    if row.reached is None:
        return row
    pair = [median(outcomes[name].values(request, "memory_mb")) for name in (ours, peer)]
    return replace(row, difference=f"{pair[0]:.0f} MB and {pair[1]:.0f} MB")


def missing_reason(outcomes: Mapping[str, Outcome], names: tuple[str, ...]) -> str:
    """Return why one of the participants has no samples."""
    failures = {name: outcomes[name].failure for name in names if outcomes[name].failure}
    if len(failures) == len(names) and len(set(failures.values())) == 1:
        return failures[names[0]]
    if failures:
        name, failure = next(iter(failures.items()))
        return f"{name}: {failure}"
    return "this system does not tell a process's memory"


def logits_path(folder: Path, name: str, duration_s: float) -> Path:
    """Return the file for what a participant makes of the clip of a length."""
    return folder / f"{name.replace(' ', '-')}-{duration_s:g}.npy"


def compare_logits(ours: Path, peer: Path) -> str:
    """Return how far two files of logits lie apart; nothing where one is missing."""
    if not (ours.exists() and peer.exists()):
        return ""
    pair = [np.load(path) for path in (ours, peer)]
    if pair[0].shape != pair[1].shape:
        return f"logits of shapes {pair[0].shape} and {pair[1].shape}"
    largest = float(np.abs(pair[0] - pair[1]).max())
    equal = float((pair[0].argmax(-1) == pair[1].argmax(-1)).mean())
    return f"logits within {largest:.1e}, best token equal in {equal:.1%} of frames"


def _fill(
    row: Row,
    values: list[float],
    cpu_values: list[float],
    outcomes: Mapping[str, Outcome],
    names: tuple[str, ...],
) -> Row:
    if not values:
        return replace(row, reason=missing_reason(outcomes, names))
    return replace(
        row, reached=median(values), in_cpu_time=median(cpu_values) if cpu_values else None
    )


def _ratios(above: Outcome, below: Outcome, request: str, field: str) -> list[float]:
    """Return a quantity of one participant over that of another, for each round of both."""
    pairs = zip(above.values(request, field), below.values(request, field), strict=False)
    return [first / second for first, second in pairs if second > 0]
