"""Telling findings: to the log and to the file of the run, and not over and over."""

import datetime as dt
import logging
from pathlib import Path

import torch

from wav2vec2_conformer.training.health.finding import (
    Finding,
    HealthEvent,
    append_event,
    describe_finding,
)

logger = logging.getLogger(__name__)

# So many findings of a detector are told for the sake of the utterances they name.
_MAX_NAMED = 20
# Conditions that last; what happens to one batch is never "over".
_LASTING = frozenset(
    {
        "chance_level",
        "equal_negatives",
        "codebook_collapse",
        "perplexity_fall",
        "all_blank",
        "batch_norm_drift",
        "gradient_zero",
        "learning_rate_zero",
        "loss_scale_floor",
    }
)


class HealthLog:
    """Tell findings, and remember what has been told."""

    def __init__(self) -> None:
        self._next_step: dict[str, int] = {}
        self._named: dict[str, set[str]] = {}
        self._num_told: dict[str, int] = {}
        self._lasting: set[str] = set()

    def tell(self, run_dir: Path, step: int, finding: Finding, action: str) -> None:
        """Write a finding to the log and into the file of the run.

        Args:
            run_dir: Folder of the run.
            step: Updates done.
            finding: The finding.
            action: What is done about it.
        """
        detector = finding.detector
        self._named.setdefault(detector, set()).update(finding.utterances)
        self._num_told[detector] = self._num_told.get(detector, 0) + 1
        self._next_step[detector] = 2 * max(step, 1)
        if detector in _LASTING:
            self._lasting.add(detector)
        logger.warning("update %d: %s", step, describe_finding(finding))
        append_event(run_dir, _event(step, finding, action))

    def is_news(self, step: int, finding: Finding) -> bool:
        """Return whether a finding is worth telling.

        It is the first time, when it names new utterances (for a while), and when the updates
        have doubled since it was told last.

        Args:
            step: Updates done.
            finding: The finding.
        """
        detector = finding.detector
        names_new = not self._named.get(detector, set()).issuperset(finding.utterances)
        if names_new and self._num_told.get(detector, 0) < _MAX_NAMED:
            return True
        return step >= self._next_step.get(detector, 0)

    def tell_end(self, run_dir: Path, step: int, detector: str) -> None:
        """Say that a lasting condition has ended, if it was told.

        Args:
            run_dir: Folder of the run.
            step: Updates done.
            detector: Which looked and found nothing.
        """
        if detector not in self._lasting:
            return
        self._lasting.discard(detector)
        self._next_step.pop(detector, None)
        logger.info("update %d: %s is over", step, detector)
        append_event(run_dir, _event(step, Finding(detector, "it is over", "", ""), "over"))


def _event(step: int, finding: Finding, action: str) -> HealthEvent:
    is_distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return HealthEvent(
        step=step,
        time=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        rank=torch.distributed.get_rank() if is_distributed else 0,
        action=action,
        detector=finding.detector,
        what=finding.what,
        cause=finding.cause,
        remedy=finding.remedy,
        utterances=finding.utterances,
    )
