"""What the experiments of a run share: size, rounds, threads, scratch files, raw samples."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wav2vec2_conformer.benchmark.resources import available_mb
from wav2vec2_conformer.benchmark.sizes import Size
from wav2vec2_conformer.benchmark.turns import Outcome, Turns

_LIMIT_S = 600.0  # of one preparation or one answer


@dataclass(frozen=True, slots=True)
class Stage:
    """Requests that are sent to participants in turn.

    Attributes:
        requests: By the name under which the answers are kept.
        rounds: Number of alternations.
        only: Participants that are asked; None for all.
    """

    requests: Mapping[str, dict[str, Any]]
    rounds: int
    only: Sequence[str] | None = None


@dataclass(slots=True)
class Session:
    """A run of the benchmark.

    Attributes:
        size: What is measured.
        rounds: Number of alternations.
        threads: Of each measuring process.
        folder: For scratch files.
        speech: Manifest of a test set, for word error rates; None without.
        figures: Names of the figures that are wanted.
        on_step: Is told what is running.
        outcomes: What every participant of every experiment told.
    """

    size: Size
    rounds: int
    threads: int
    folder: Path
    speech: Path | None
    figures: frozenset[str]
    on_step: Callable[[str], None]
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def alternate(
        self,
        experiment: str,
        modules: Mapping[str, tuple[str, dict[str, Any]]],
        stages: Sequence[Stage],
        *,
        needs_gb: float,
    ) -> dict[str, Outcome]:
        """Let processes take turns; keep and return what each of them told.

        Args:
            experiment: Name under which the samples are kept.
            modules: For each participant, the module that does its work and its arguments.
            stages: What they are asked.
            needs_gb: Memory of all participants together. Where less is free, nothing is
                started: another program of the machine could be ended for it.
        """
        free_mb = available_mb()
        if free_mb is not None and free_mb < needs_gb * 1e3:
            reason = f"needs {needs_gb:g} GB of free memory, there are {free_mb / 1e3:.1f}"
            outcomes = {name: Outcome(failure=reason) for name in modules}
        else:
            turns = Turns(modules, threads=self.threads, limit_s=_LIMIT_S, on_step=self.on_step)
            with turns:
                for stage in stages:
                    turns.run(stage.requests, rounds=stage.rounds, only=stage.only)
            outcomes = turns.outcomes
        self.outcomes[experiment] = {name: asdict(told) for name, told in outcomes.items()}
        return outcomes
