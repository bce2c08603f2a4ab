"""Numbers of errors, and the rate that they make."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Errors of hypotheses against references, in words or in characters.

    Attributes:
        num_reference: Words or characters of the references.
        substitutions: Recognized as another.
        deletions: Missing from the hypotheses.
        insertions: In the hypotheses alone.
    """

    num_reference: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def num_errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per word or character of the reference; can be above 1.

        An empty reference counts as one, as in jiwer: the rate is the number of insertions.
        """
        return self.num_errors / max(self.num_reference, 1)


def sum_counts(counts: Iterable[ErrorCounts]) -> ErrorCounts:
    """Add up the errors of several texts."""
    num_reference = substitutions = deletions = insertions = 0
    for count in counts:
        num_reference += count.num_reference
        substitutions += count.substitutions
        deletions += count.deletions
        insertions += count.insertions
    return ErrorCounts(num_reference, substitutions, deletions, insertions)
