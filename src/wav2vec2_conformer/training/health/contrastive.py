"""Pre-training, or classification, that has learnt nothing, or has nothing left to learn."""

import math
from collections import deque

from wav2vec2_conformer.training.health.finding import Finding

# Of the chance level: what counts as still being there.
_STILL_CHANCE = 0.98


class ChanceLevel:
    """Find a loss that stays where guessing is.

    Guessing among the true frame and K negatives costs ln(K + 1) nats: 4.615 for 100
    negatives, which fairseq logs as log2(101) = 6.658 bits.

    Args:
        after_updates: Not before so many updates: every run starts at chance.
        window: Batches over which the loss is averaged, `after_updates` at most.
    """

    def __init__(self, after_updates: int = 1000, window: int = 100) -> None:
        self._after_updates = after_updates
        window = min(window, max(after_updates, 1))
        self._losses: deque[float] = deque(maxlen=window)
        self._chances: deque[float] = deque(maxlen=window)

    def update(self, step: int, loss: float, chance: float, candidates: str) -> Finding | None:
        """Take the loss of a batch.

        Args:
            step: Updates done.
            loss: Mean loss of an item (masked frame, utterance) in nats.
            chance: What guessing would cost, in nats.
            candidates: What is guessed among, for the sentence: "101 candidates".
        """
        if not math.isfinite(loss):
            return None
        self._losses.append(loss)
        self._chances.append(chance)
        if step < self._after_updates or len(self._losses) < (self._losses.maxlen or 0):
            return None
        mean = sum(self._losses) / len(self._losses)
        guessing = sum(self._chances) / len(self._chances)
        if mean < _STILL_CHANCE * guessing:
            return None
        return Finding(
            detector="chance_level",
            what=(
                f"after {step} updates the loss is {mean:.3f} nats ({mean / math.log(2):.3f} "
                f"bits) and guessing among {candidates} costs {guessing:.3f}: nothing has been "
                "learnt"
            ),
            cause=(
                "a learning rate that is too high for this much audio per update (training "
                "fell back) or too low (it never started), or audio that is silent or wrongly "
                "decoded"
            ),
            remedy=(
                "listen to some clips; then try a fifth of the learning rate with a longer "
                "warm-up, or more seconds of audio per update (gradient_accumulation_steps)"
            ),
        )


class EqualNegatives:
    """Find the contrastive loss of zero that looks like success and is a collapse.

    A negative with the codes of the true frame is left out of the loss. When all frames have
    the same codes, nothing is left to tell apart: loss 0, accuracy 1.

    Args:
        window: Batches over which the share is averaged.
        share: Of negatives equal to the true frame, from which on it counts as a collapse.
    """

    def __init__(self, window: int = 20, share: float = 0.9) -> None:
        self._shares: deque[float] = deque(maxlen=window)
        self._losses: deque[float] = deque(maxlen=window)
        self._share = share

    def update(self, equal_share: float, loss: float) -> Finding | None:
        """Take a batch.

        Args:
            equal_share: Share of negatives that have the codes of their true frame, 0 to 1.
            loss: Contrastive loss of a masked frame in nats.
        """
        self._shares.append(equal_share)
        self._losses.append(loss)
        if len(self._shares) < (self._shares.maxlen or 0):
            return None
        mean = sum(self._shares) / len(self._shares)
        if mean < self._share:
            return None
        return Finding(
            detector="equal_negatives",
            what=(
                f"the contrastive loss is {sum(self._losses) / len(self._losses):.3f}, which "
                f"looks like success: {100 * mean:.0f} % of the negatives have the same codes "
                "as the true frame and are left out"
            ),
            cause=(
                "the codebook has collapsed to one entry: too high a learning rate, or a "
                "diversity loss that is not weighted by the number of masked frames"
            ),
            remedy=(
                "start again, or from a checkpoint before the fall of the perplexity, with a "
                "lower learning rate; keep diversity_loss_weight at 0.1 or above and the "
                "Gumbel temperature at 2 at the start"
            ),
        )
