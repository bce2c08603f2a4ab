"""Measuring processes that take turns, so that all of them see the same machine."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from wav2vec2_conformer.benchmark.participant import MeasurementError, Participant


@dataclass(slots=True)
class Outcome:
    """What a participant told.

    Attributes:
        about: What it said when it was prepared.
        samples: For each request, the answers in the order of the rounds.
        failure: Why it dropped out; empty when it did not.
    """

    about: dict[str, Any] = field(default_factory=dict)
    samples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    failure: str = ""

    def values(self, request: str, quantity: str) -> list[float]:
        """Return a quantity of the answers to a request; what was not measured is left out."""
        answers = self.samples.get(request, [])
        return [answer[quantity] for answer in answers if answer[quantity] is not None]


class Turns:
    """Participants that are prepared one after the other and then work in turns.

    One that fails drops out; the others go on. A context manager, which ends the processes.

    Args:
        modules: For each name of a participant, the module that does its work and its arguments.
        threads: Of each participant.
        limit_s: Longest time for preparation and for an answer.
        on_step: Is told what is running.
    """

    def __init__(
        self,
        modules: Mapping[str, tuple[str, dict[str, Any]]],
        *,
        threads: int,
        limit_s: float,
        on_step: Callable[[str], None],
    ) -> None:
        self.outcomes = {name: Outcome() for name in modules}
        self._modules = modules
        self._threads = threads
        self._limit_s = limit_s
        self._on_step = on_step
        self._running: dict[str, Participant] = {}

    def __enter__(self) -> Self:
        """Start the participants, each when the one before is prepared."""
        try:
            for name, (module, arguments) in self._modules.items():
                self._on_step(f"preparing {name}")
                self._running[name] = Participant(name, module, arguments, threads=self._threads)
                start_s = time.monotonic()
                about = self._ask(name, None) or {}
                preparation_s = time.monotonic() - start_s
                self.outcomes[name].about = {**about, "preparation_s": preparation_s}
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the processes."""
        self._close()

    def run(
        self,
        requests: Mapping[str, dict[str, Any]],
        *,
        rounds: int,
        only: Sequence[str] | None = None,
    ) -> None:
        """Send each request to each participant, so many times.

        Args:
            requests: By the name under which the answers are kept.
            rounds: Number of alternations.
            only: Names of the participants that are asked; None asks all.
        """
        for number in range(rounds):
            for name in self._running.copy():
                if only is not None and name not in only:
                    continue
                for key, request in requests.items():
                    if name not in self._running:
                        break
                    self._on_step(f"{name}: {key}, round {number + 1} of {rounds}")
                    answer = self._ask(name, request)
                    if answer is not None:
                        self.outcomes[name].samples.setdefault(key, []).append(answer)

    def _ask(self, name: str, request: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return the answer of a participant; None, and it is ended, when it fails."""
        try:
            return self._running[name].ask(request, limit_s=self._limit_s)
        except MeasurementError as error:
            self.outcomes[name].failure = str(error)
            self._on_step(f"{name} failed: {error}")
            self._running.pop(name).close()
            return None

    def _close(self) -> None:
        for participant in self._running.values():
            participant.close()
        self._running.clear()
