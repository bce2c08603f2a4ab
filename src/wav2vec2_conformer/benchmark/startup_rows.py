"""S10: how soon the program answers."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from statistics import median
from typing import Any

from wav2vec2_conformer.benchmark.names import OURS
from wav2vec2_conformer.benchmark.row import Row, Unit
from wav2vec2_conformer.benchmark.session import Session
from wav2vec2_conformer.checkpoints.bundled import bundled_clips

_COMMAND = "from wav2vec2_conformer.cli.main import run; run()"  # what the console script does
_IMPORT = (
    "import sys, wav2vec2_conformer; "
    "print(sum(name.partition('.')[0] == 'torch' for name in sys.modules))"
)
_HELP_GOAL_S, _TORCH_GOAL, _TRANSCRIPT_GOAL_S = 0.3, 0.0, 4.0


def measure_startup(session: Session) -> list[Row]:
    """Return the rows of `--help`, of the import, and of a first transcript."""
    clip = min(bundled_clips(), key=lambda path: path.stat().st_size)
    python = [sys.executable, "-c"]
    return [
        _row(session, "--help", "seconds", _HELP_GOAL_S, [*python, _COMMAND, "--help"]),
        _row(session, "import of the package: torch", "modules", _TORCH_GOAL, [*python, _IMPORT]),
        _row(
            session,
            "first transcript of a new process, bundled model",
            "seconds",
            _TRANSCRIPT_GOAL_S,
            [*python, _COMMAND, "transcribe", "--quiet", str(clip)],
        ),
    ]


def _row(session: Session, work: str, unit: Unit, goal: float, command: list[str]) -> Row:
    """Return the median time of a command, or the number that it prints."""
    samples: list[dict[str, Any]] = []
    row = Row("S10", work, "-", unit, goal, at_most=True)
    for number in range(session.rounds):
        session.on_step(f"{work}, round {number + 1} of {session.rounds}")
        start_s, cpu_start_s = time.perf_counter(), _children_cpu_s()
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        wall_s, cpu_s = time.perf_counter() - start_s, _children_cpu_s() - cpu_start_s
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"]
            return replace(row, reason=lines[-1])
        last_line = (done.stdout.strip().splitlines() or [""])[-1]
        samples.append({"wall_s": wall_s, "cpu_s": cpu_s, "last_line": last_line})
    session.outcomes[f"startup: {work}"] = {OURS: {"samples": {"run": samples}}}
    wall_s = median(sample["wall_s"] for sample in samples)
    if unit == "modules":
        num_modules = max(float(sample["last_line"]) for sample in samples)
        return replace(row, reached=num_modules, difference=f"{wall_s:.2f} s with the interpreter")
    return replace(row, reached=wall_s, in_cpu_time=median(sample["cpu_s"] for sample in samples))


def _children_cpu_s() -> float:
    """Return the processor time of the processes that this one has waited for."""
    times = os.times()
    return times.children_user + times.children_system
