"""Batches by seconds of audio instead of by number of utterances.

The cost of a batch is its padded length: longest clip times number of clips. Clips are
sorted by duration and cut into *buckets* of similar duration once; every batch of a bucket
has the same number of clips, chosen so that even its longest clips together stay within the
budget. An epoch shuffles the clips inside each bucket and then the batches. So every epoch
has the same number of batches, which a training schedule relies on, and other neighbours.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from wav2vec2_conformer.errors import InputError

# Clips of one bucket differ by less than this factor, so at most 13 % of a batch is padding.
BUCKET_RATIO = 1.15


class Draw(NamedTuple):
    """A clip as drawn in an epoch.

    The epoch travels with the index of the clip, so that the worker processes of a data
    loader, which live through all epochs, can seed the augmentation from it.
    """

    epoch: int
    clip: int


class DurationBatchSampler(Sampler[list[Draw]]):
    """Yield batches whose padded duration is at most `batch_seconds`.

    The batches of an epoch are a function of the arguments, `seed` and the epoch alone, so a
    resumed run that skips the first batches of an epoch goes on exactly.

    Args:
        durations_s: Duration of every clip in seconds.
        batch_seconds: Largest padded duration of a batch (longest clip times number of
            clips). A clip longer than that makes a batch of its own.
        seed: Seed of the shuffling.
        shuffle: False gives every epoch the same batches in ascending order of duration.
        shortest_first_epochs: So many epochs at the start are in ascending order of
            duration: a model that knows nothing yet learns from short clips first.
        num_processes: The number of batches is a multiple of this, so that each process gets
            as many: large batches are cut in two. No clip is lost or comes twice.

    Attributes:
        mean_batch_s: Mean seconds of audio in a batch, padding left out.

    Raises:
        InputError: There are no clips, fewer than processes, or a number is not positive.
    """

    def __init__(
        self,
        durations_s: Sequence[float],
        batch_seconds: float,
        *,
        seed: int = 0,
        shuffle: bool = True,
        shortest_first_epochs: int = 1,
        num_processes: int = 1,
    ) -> None:
        durations = np.asarray(durations_s, dtype=np.float64)
        if durations.size == 0:
            raise InputError("durations_s is empty; there must be at least one clip")
        if not durations.min() > 0:
            raise InputError(f"durations_s must be positive, got {durations.min()}")
        if not batch_seconds > 0:
            raise InputError(f"batch_seconds must be positive, got {batch_seconds}")
        self.seed = seed
        self.shuffle = shuffle
        self.shortest_first_epochs = shortest_first_epochs
        self.epoch = 0
        self._buckets = _cut_buckets(durations, batch_seconds)
        num_batches = sum(-(-len(clips) // size) for clips, size in self._buckets)
        self._num_cut = -num_batches % num_processes
        if num_batches + self._num_cut > durations.size:
            raise InputError(
                f"{durations.size} clips are too few for {num_processes} processes, each of "
                "which needs a clip for every batch"
            )
        self.mean_batch_s = float(durations.sum()) / len(self)

    @property
    def longest_batch(self) -> list[Draw]:
        """A batch of the longest clips."""
        clips, size = self._buckets[0]
        return [Draw(0, int(clip)) for clip in clips[:size]]

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches the next iteration yields."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches, the same in every epoch."""
        return sum(-(-len(clips) // size) for clips, size in self._buckets) + self._num_cut

    def __iter__(self) -> Iterator[list[Draw]]:
        """Yield the batches of the current epoch."""
        epoch = self.epoch
        ordered = not self.shuffle or epoch < self.shortest_first_epochs
        rng = np.random.default_rng([self.seed, epoch])
        batches = []
        for clips, size in self._buckets:
            drawn = clips if ordered else rng.permutation(clips)
            batches += [drawn[i : i + size] for i in range(0, len(drawn), size)]
        for _ in range(self._num_cut):
            largest = max(range(len(batches)), key=lambda k: len(batches[k]))
            half = len(batches[largest]) // 2
            batches[largest : largest + 1] = [batches[largest][:half], batches[largest][half:]]
        # Buckets run from long to short.
        order = range(len(batches))[::-1] if ordered else rng.permutation(len(batches))
        for k in order:
            yield [Draw(epoch, int(clip)) for clip in batches[k]]


def _cut_buckets(
    durations: "np.ndarray[tuple[int], np.dtype[np.float64]]", batch_seconds: float
) -> list[tuple["np.ndarray[tuple[int], np.dtype[np.intp]]", int]]:
    """Return (clips of the bucket, clips in each of its batches), longest clips first.

    A bucket holds a whole number of batches: what is left over goes to the next, shorter
    one, so that only the very last batch of an epoch can be small.
    """
    order = np.argsort(-durations, kind="stable")
    descending = durations[order]
    buckets = []
    start = 0
    while start < len(order):
        longest = descending[start]
        size = max(1, int(batch_seconds // longest))
        similar = int(np.sum(descending[start:] * BUCKET_RATIO > longest))
        num_clips = max(1, similar // size) * size
        buckets.append((order[start : start + num_clips], size))
        start += num_clips
    return buckets
