"""A learning rate of zero in the middle of a run."""

from wav2vec2_conformer.training.health.finding import Finding


class ZeroLearningRate:
    """Find updates that cannot change anything.

    Args:
        updates: So many in a row.
    """

    def __init__(self, updates: int = 10) -> None:
        self._updates = updates
        self._count = 0

    def update(self, learning_rate: float) -> Finding | None:
        """Take the highest learning rate of an update, of all groups of parameters."""
        self._count = self._count + 1 if learning_rate <= 0 else 0
        if self._count < self._updates:
            return None
        return Finding(
            detector="learning_rate_zero",
            what=f"the learning rate has been 0 for {self._count} updates",
            cause=(
                "a learning_rate of 0, or a schedule that ends before the run does (a resumed run "
                "with more updates than planned at first)"
            ),
            remedy="give the run its full length from the start, or begin a new run from "
            "its last model (--model) in place of --resume",
        )
