"""One figure of the table: what was to be reached, and what was."""

from dataclasses import dataclass
from typing import Literal

Unit = Literal["times", "share", "seconds", "points", "megabytes", "modules", "logits"]


@dataclass(frozen=True, slots=True)
class Row:
    """A figure.

    Attributes:
        figure: S1 to S11, `peers` or `gpu`.
        work: What is done.
        against: Whom it is compared with; a dash where the figure is absolute.
        unit: `times` as fast; `share` of the other's; `points` of a percentage; and absolute ones.
        goal: What is to be reached; None where it is only told.
        at_most: Whether the goal is a limit from above.
        reached: What was measured; None when it was not.
        in_cpu_time: The same ratio of processor time, where there is one.
        difference: How far the outputs lie apart, and what else belongs to the figure.
        reason: Why it was not measured.
    """

    figure: str
    work: str
    against: str
    unit: Unit
    goal: float | None = None
    at_most: bool = False
    reached: float | None = None
    in_cpu_time: float | None = None
    difference: str = ""
    reason: str = ""

    @property
    def is_reached(self) -> bool | None:
        """Whether the goal is reached; None when there is none, or nothing was measured."""
        if self.goal is None or self.reached is None:
            return None
        return self.reached <= self.goal if self.at_most else self.reached >= self.goal

    @property
    def verdict(self) -> str:
        """`reached`, `missed`, `not measured: reason`, or a dash without a goal."""
        if self.reached is None:
            return f"not measured: {self.reason}"
        return {True: "reached", False: "missed", None: "-"}[self.is_reached]

    @property
    def goal_text(self) -> str:
        """The goal as it stands in the table."""
        if self.goal is None:
            return "-"
        return f"{'≤' if self.at_most else '≥'} {format_quantity(self.goal, self.unit)}"

    @property
    def reached_text(self) -> str:
        """What was reached as it stands in the table."""
        return "-" if self.reached is None else format_quantity(self.reached, self.unit)


def format_quantity(value: float, unit: Unit) -> str:
    """Return a value with its unit, as in `1.42 x`."""
    return _PATTERNS[unit].format(value)


_PATTERNS: dict[Unit, str] = {
    "times": "{:.2f} x",
    "share": "{:.0%}",
    "seconds": "{:.2f} s",
    "points": "{:+.2f} points",
    "megabytes": "{:.0f} MB",
    "modules": "{:.0f} modules",
    "logits": "{:.1e}",
}
