"""Runs the experiments that were asked for, one after the other."""

import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_conformer.benchmark.environment import describe_environment
from wav2vec2_conformer.benchmark.experiments import EXPERIMENTS, FIGURES, Experiment
from wav2vec2_conformer.benchmark.results import Results
from wav2vec2_conformer.benchmark.session import Session
from wav2vec2_conformer.benchmark.sizes import SIZES
from wav2vec2_conformer.errors import InputError

if TYPE_CHECKING:
    from wav2vec2_conformer.benchmark.row import Row

_SIZE_OF_GOALS = "large"


def choose_figures(names: Collection[str]) -> frozenset[str]:
    """Return the figures of the given names, all of them for none.

    Raises:
        InputError: There is no such figure.
    """
    by_lower = {figure.lower(): figure for figure in FIGURES}
    unknown = [name for name in names if name.lower() not in by_lower]
    if unknown:
        raise InputError(
            f"there is no figure {unknown[0]!r}; choose among {', '.join(FIGURES)}, separated by "
            "commas."
        )
    return frozenset(by_lower[name.lower()] for name in names) or frozenset(FIGURES)


def run_suite(
    size: str,
    *,
    figures: frozenset[str],
    rounds: int,
    threads: int,
    speech: Path | None,
    on_step: Callable[[str], None],
) -> Iterator[Results]:
    """Run the experiments, and yield the results so far after each of them.

    Args:
        size: Name of the size. The goals are those of `large`; other sizes have none.
        figures: As from `choose_figures`.
        rounds: Number of alternations.
        threads: Of each measuring process.
        speech: Manifest of a test set for word error rates; None leaves them out.
        on_step: Is told what is running and how long the rest will take.
    """
    chosen = [experiment for experiment in EXPERIMENTS if experiment.figures & figures]
    about = {
        **describe_environment(),
        "size": size,
        "rounds": rounds,
        "threads": threads,
        "matrix_dim": SIZES[size].matrix_dim,
    }
    start_s = time.monotonic()
    rows: list[Row] = []
    samples: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="w2vc-bench-") as folder:
        for number, experiment in enumerate(chosen):
            announce = _Announcement(chosen, number, start_s, on_step)
            session = Session(
                SIZES[size], rounds, threads, Path(folder), speech, figures, on_step=announce
            )
            rows += experiment.measure(session)
            samples |= session.outcomes
            ordered = sorted(rows, key=lambda row: FIGURES.index(row.figure))
            if size != _SIZE_OF_GOALS:
                ordered = [replace(row, goal=None) for row in ordered]
            duration_s = round(time.monotonic() - start_s, 1)
            yield Results({**about, "duration_s": duration_s}, tuple(ordered), dict(samples))


class _Announcement:
    """Says what is running, in which experiment, and about how long the rest takes."""

    def __init__(
        self,
        experiments: list[Experiment],
        number: int,
        start_s: float,
        on_step: Callable[[str], None],
    ) -> None:
        self._place = f"[{number + 1}/{len(experiments)}] {experiments[number].name}"
        self._done_s = sum(experiment.usual_s for experiment in experiments[:number])
        self._left_s = sum(experiment.usual_s for experiment in experiments[number:])
        self._start_s = start_s
        self._before_s = time.monotonic() - start_s
        self._on_step = on_step

    def __call__(self, step: str) -> None:
        left = ""
        if self._done_s:
            # At the pace of the experiments that are done.
            whole_s = self._before_s * (1 + self._left_s / self._done_s)
            left_s = max(whole_s - (time.monotonic() - self._start_s), 60.0)
            left = f" (about {left_s / 60:.0f} min left)"
        self._on_step(f"{self._place}: {step}{left}")
