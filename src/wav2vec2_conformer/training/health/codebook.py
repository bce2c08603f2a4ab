"""Codebooks of pre-training of which few entries are used."""

from collections import deque

from wav2vec2_conformer.training.health.finding import Finding


class CodebookCollapse:
    """Find a code perplexity that is near its floor.

    The perplexity is the effective number of entries in use, summed over the codebooks: from
    the number of codebooks (one entry each) to that of all entries.

    Args:
        after_updates: Not before so many updates.
        window: Batches over which it is averaged, `after_updates` at most.
        share: Of the way from floor to ceiling; below it counts as collapsed.
    """

    def __init__(self, after_updates: int = 200, window: int = 50, share: float = 0.02) -> None:
        self._after_updates = after_updates
        self._values: deque[float] = deque(maxlen=min(window, max(after_updates, 1)))
        self._share = share

    def update(
        self, step: int, perplexity: float, num_codebooks: int, num_entries: int
    ) -> Finding | None:
        """Take the perplexity of a batch.

        Args:
            step: Updates done.
            perplexity: As the quantizer computes it.
            num_codebooks: Codebooks.
            num_entries: Entries of each.
        """
        self._values.append(perplexity)
        if step < self._after_updates or len(self._values) < (self._values.maxlen or 0):
            return None
        mean = sum(self._values) / len(self._values)
        ceiling = num_codebooks * num_entries
        if mean > num_codebooks + self._share * (ceiling - num_codebooks):
            return None
        return Finding(
            detector="codebook_collapse",
            what=(
                f"the code perplexity is {mean:.2f} where {num_codebooks} is the least and "
                f"{ceiling} the most: nearly all frames choose the same entry"
            ),
            cause=(
                "too high a learning rate for the audio per update, too small a weight of the "
                "diversity loss, or a Gumbel temperature that fell too fast"
            ),
            remedy=(
                "go back to a checkpoint with a higher perplexity and lower the learning rate; "
                "raise diversity_loss_weight; let the temperature fall by update, not by batch"
            ),
        )


class PerplexityFall:
    """Find a perplexity that has lost most of what it once was.

    Args:
        after_updates: What comes before is not counted: it may be high by chance.
        window: Batches over which it is averaged, `after_updates` at most.
        share: Of the highest average so far, below which it has fallen.
    """

    def __init__(self, after_updates: int = 1000, window: int = 100, share: float = 0.4) -> None:
        self._after_updates = after_updates
        self._values: deque[float] = deque(maxlen=min(window, max(after_updates, 1)))
        self._share = share
        self._peak = 0.0
        self._peak_step = 0

    def update(self, step: int, perplexity: float, num_codebooks: int) -> Finding | None:
        """Take the perplexity of a batch.

        Args:
            step: Updates done.
            perplexity: As the quantizer computes it.
            num_codebooks: Codebooks, which is the least it can be.
        """
        if step < self._after_updates:
            return None
        self._values.append(perplexity)
        if len(self._values) < (self._values.maxlen or 0):
            return None
        mean = sum(self._values) / len(self._values)
        if mean >= self._peak:
            self._peak, self._peak_step = mean, step
        if mean - num_codebooks >= self._share * (self._peak - num_codebooks):
            return None
        return Finding(
            detector="perplexity_fall",
            what=(
                f"the code perplexity has fallen from {self._peak:.1f} (update "
                f"{self._peak_step}) to {mean:.1f}"
            ),
            cause="entries of the codebooks die out, the first sign of a collapse",
            remedy=(
                "compare the contrastive accuracy of the checkpoints since then; if it falls "
                "too, go on from before with a lower learning rate or a higher "
                "diversity_loss_weight"
            ),
        )
