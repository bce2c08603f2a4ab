"""S1, S2, S3, S4 and S6: one clip at the large size, relative and rotary."""

from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

from wav2vec2_conformer.benchmark.comparison import (
    compare_logits,
    fill_memory,
    fill_speed,
    logits_path,
    missing_reason,
)
from wav2vec2_conformer.benchmark.names import MACHINE, OURS, OURS_INT8, TRANSFORMERS
from wav2vec2_conformer.benchmark.row import Row
from wav2vec2_conformer.benchmark.session import Session, Stage
from wav2vec2_conformer.benchmark.turns import Outcome

Positions = Literal["relative", "rotary"]

_DEFAULT = "transformers default"
_SPEED_GOALS: dict[Positions, tuple[str, tuple[float, float]]] = {
    "relative": ("S1", (1.3, 1.5)),
    "rotary": ("S2", (1.05, 1.1)),
}
_ROOFLINE_GOAL = 0.85
_INT8_SPEED_GOAL, _INT8_WEIGHTS_GOAL = 2.3, 0.3
_MEMORY_GOAL = 0.4
# Of a model with its activations; and as much again for transformers' longest clip.
_MODEL_GB = {"large": 3.0, "base": 1.3, "tiny": 0.3}


def measure_relative(session: Session) -> list[Row]:
    """Return the rows of relative positions."""
    rows = _measure(session, "relative", int8="S4" in session.figures)
    return [row for row in rows if row.figure in session.figures]


def measure_rotary(session: Session) -> list[Row]:
    """Return the rows of rotary positions."""
    rows = _measure(session, "rotary", int8=False)
    return [row for row in rows if row.figure in session.figures]


def _measure(session: Session, positions: Positions, *, int8: bool) -> list[Row]:
    size = session.size
    names = [TRANSFORMERS, OURS, *([OURS_INT8] if int8 else [])]
    folder = session.folder / positions
    folder.mkdir(exist_ok=True)
    settings = {**size.model, "position_embeddings_type": positions}
    warm_up = {"settings": settings, "warm_up_s": size.clips_s[-1]}
    modules: dict[str, tuple[str, dict[str, Any]]] = {
        name: ("clip", {"implementation": name, **warm_up, "folder": str(folder)}) for name in names
    }
    if "S3" in session.figures:
        modules[MACHINE] = ("matrix_product", {"dim": size.matrix_dim})
    stages = [
        Stage(
            {_request(duration_s): {"duration_s": duration_s} for duration_s in size.clips_s},
            session.rounds,
        )
    ]
    has_longest = positions == "relative" and "S6" in session.figures
    if has_longest:
        longest = {"duration_s": size.memory_clip_s}
        stages.append(Stage({_request(size.memory_clip_s): longest}, 1, only=[TRANSFORMERS, OURS]))
    outcomes = session.alternate(
        f"clips, {positions}",
        modules,
        stages,
        needs_gb=_MODEL_GB[size.name] * (len(names) + int(has_longest)),
    )
    rows = [
        *_speed_rows(session, positions, outcomes, folder),
        *(_roofline_rows(session, positions, outcomes) if MACHINE in modules else []),
        *(_int8_rows(session, outcomes, folder) if int8 else []),
    ]
    if has_longest:
        work = f"{_request(size.memory_clip_s)}, relative, memory beyond the weights"
        row = Row("S6", work, _DEFAULT, "share", _MEMORY_GOAL, at_most=True)
        request = _request(size.memory_clip_s)
        rows.append(fill_memory(row, outcomes, OURS, TRANSFORMERS, request))
    return rows


def _request(duration_s: float) -> str:
    return f"{duration_s:g} s clip"


def _compare(folder: Path, ours: str, duration_s: float) -> str:
    return compare_logits(*(logits_path(folder, name, duration_s) for name in (ours, TRANSFORMERS)))


def _speed_rows(
    session: Session, positions: Positions, outcomes: dict[str, Outcome], folder: Path
) -> list[Row]:
    figure, goals = _SPEED_GOALS[positions]
    rows = []
    for duration_s, goal in zip(session.size.clips_s, goals, strict=True):
        row = Row(figure, f"{_request(duration_s)}, {positions}", _DEFAULT, "times", goal)
        row = fill_speed(row, outcomes, OURS, TRANSFORMERS, _request(duration_s))
        rows.append(replace(row, difference=_compare(folder, OURS, duration_s)))
    return rows


def _roofline_rows(
    session: Session, positions: Positions, outcomes: dict[str, Outcome]
) -> list[Row]:
    """Return the share of the machine's rate that each clip reaches, ours and transformers'."""
    rows = []
    for duration_s in session.size.clips_s:
        request = _request(duration_s)
        shares, as_transformers = {}, 0.0
        for name in (OURS, TRANSFORMERS):
            rates = outcomes[MACHINE].values(request, "flops_per_s")
            seconds = outcomes[name].values(request, "wall_s")
            if rates and seconds:
                per_second = 1 / (median(seconds) * median(rates))
                shares[name] = outcomes[name].values(request, "flops")[0] * per_second
                counted = outcomes[name].values(request, "flops_as_transformers")[0]
                as_transformers = counted * per_second
        row = Row("S3", f"{request}, {positions}", "the machine's GEMM", "share", _ROOFLINE_GOAL)
        if OURS not in shares:
            rows.append(replace(row, reason=missing_reason(outcomes, (MACHINE, OURS))))
            continue
        told = ""
        if TRANSFORMERS in shares:
            told = f"transformers {shares[TRANSFORMERS]:.0%}"
            if positions == "relative":
                told += f" ({as_transformers:.0%} with the position products that it adds)"
        rows.append(replace(row, reached=shares[OURS], difference=told))
    return rows


def _int8_rows(session: Session, outcomes: dict[str, Outcome], folder: Path) -> list[Row]:
    request = _request(session.size.clips_s[-1])
    speed = Row("S4", f"{request}, relative, int8", _DEFAULT, "times", _INT8_SPEED_GOAL)
    speed = fill_speed(speed, outcomes, OURS_INT8, TRANSFORMERS, request)
    speed = replace(speed, difference=_compare(folder, OURS_INT8, session.size.clips_s[-1]))
    weights = Row("S4", "weights, int8", "float32", "share", _INT8_WEIGHTS_GOAL, at_most=True)
    sizes_mb = [outcomes[name].about.get("weights_mb") for name in (OURS_INT8, OURS)]
    if sizes_mb[0] is None or sizes_mb[1] is None:
        reason = missing_reason(outcomes, (OURS_INT8, OURS))
        return [speed, replace(weights, reason=reason)]
    told = f"{sizes_mb[0]:.0f} MB and {sizes_mb[1]:.0f} MB"
    return [speed, replace(weights, reached=sizes_mb[0] / sizes_mb[1], difference=told)]
