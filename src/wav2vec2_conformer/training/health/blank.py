"""A CTC model that says nothing, or one token only."""

from collections import deque
from collections.abc import Collection

from wav2vec2_conformer.training.health.finding import Finding


class AllBlank:
    """Find a CTC model whose best path is blank everywhere, or one token at most.

    Args:
        after_updates: Not before so many updates: from random weights, every CTC model begins
            this way.
        window: Batches that are looked at together, `after_updates` at most.
        share: Of frames that are blank, from which on the model says nothing.
    """

    def __init__(self, after_updates: int = 500, window: int = 50, share: float = 0.995) -> None:
        self._after_updates = after_updates
        window = min(window, max(after_updates, 1))
        self._blank_shares: deque[float] = deque(maxlen=window)
        self._tokens: deque[frozenset[int]] = deque(maxlen=window)
        self._share = share

    def update(
        self, step: int, blank_share: float, token_ids: Collection[int], num_in_texts: int
    ) -> Finding | None:
        """Take a batch.

        Args:
            step: Updates done.
            blank_share: Share of the valid frames whose best token is blank, 0 to 1.
            token_ids: The tokens other than blank that are best somewhere.
            num_in_texts: Different tokens in the batch's texts. A batch whose texts have one
                token only tells nothing.
        """
        if num_in_texts <= 1:
            return None
        self._blank_shares.append(blank_share)
        self._tokens.append(frozenset(token_ids))
        if step < self._after_updates or len(self._tokens) < (self._tokens.maxlen or 0):
            return None
        mean = sum(self._blank_shares) / len(self._blank_shares)
        said = frozenset().union(*self._tokens)
        if mean < self._share and len(said) > 1:
            return None
        what = (
            f"after {step} updates {100 * mean:.1f} % of the frames are blank: the model says "
            "nothing"
            if mean >= self._share
            else f"after {step} updates the model says one token only (id {min(said, default=0)})"
        )
        return Finding(
            detector="all_blank",
            what=what,
            cause=(
                "the plateau on which CTC starts from random weights; a learning rate that is "
                "too high or has no warm-up; masking (SpecAugment) from the first update; texts "
                "that do not belong to their audio"
            ),
            remedy=(
                "check some clips against their texts; then warm up over more updates, start "
                "with short clips and without masking, or start from a pre-trained encoder"
            ),
        )
