"""What a detector says, and the file of a run that keeps it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

# In the run folder, one event a line.
EVENT_FILE = "health.jsonl"
_MAX_NAMES = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        detector: Name of the detector, such as "all_blank".
        what: What was seen, with its numbers.
        cause: What usually makes it so.
        remedy: What to do.
        utterances: Names of the utterances that it concerns, if it concerns some only.
    """

    detector: str
    what: str
    cause: str
    remedy: str
    utterances: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthEvent:
    """A finding, when it was made and what was done.

    Attributes:
        step: Updates done.
        time: UTC, ISO 8601.
        rank: Process of a distributed run, 0 if there is one only.
        action: "warn", "stop", "roll_back", or "over" for a condition that has ended.
        detector: See `Finding`.
        what: See `Finding`.
        cause: See `Finding`.
        remedy: See `Finding`.
        utterances: See `Finding`.
    """

    step: int
    time: str
    rank: int
    action: str
    detector: str
    what: str
    cause: str
    remedy: str
    utterances: tuple[str, ...] = ()


def describe_finding(finding: Finding) -> str:
    """Return a finding as the sentences of a log line."""
    names = list(finding.utterances[:_MAX_NAMES])
    if len(finding.utterances) > _MAX_NAMES:
        names.append(f"and {len(finding.utterances) - _MAX_NAMES} more")
    concerned = f" Utterances: {', '.join(names)}." if names else ""
    return (
        f"{finding.detector}: {finding.what}.{concerned} "
        f"Likely cause: {finding.cause}. What to do: {finding.remedy}."
    )


def append_event(run_dir: Path, event: HealthEvent) -> None:
    """Add an event to the file of the run. Its folder is made if missing.

    A line is written at once, so that ranks can share the file and a kill leaves whole lines.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / EVENT_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(event), ensure_ascii=False) + "\n")


def read_events(run_dir: str | Path) -> list[HealthEvent]:
    """Return the events of a run in their order; none if the run has no such file.

    A last line that a kill cut short is passed over.
    """
    path = Path(run_dir) / EVENT_FILE
    if not path.is_file():
        return []
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        fields["utterances"] = tuple(fields["utterances"])
        events.append(HealthEvent(**fields))
    return events
