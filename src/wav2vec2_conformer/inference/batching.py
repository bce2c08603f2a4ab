"""Recordings in pieces of similar length that go through a model together.

Shapes used in this file:
    B  pieces in a batch
    L  samples
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wav2vec2_conformer.audio import AudioBlocks, AudioSource, source_name
from wav2vec2_conformer.errors import Wav2Vec2ConformerError

# Batches are formed among so many times their own length of audio: enough to find pieces of
# similar length, little enough for flat memory and early results.
LOOK_AHEAD_BATCHES = 4
# Recordings of up to so many windows are held in memory while they are cut.
HELD_WINDOWS = 2


class Piece(Protocol):
    """Part of a recording that the model sees at once."""

    @property
    def samples(self) -> NDArray[np.float32]:
        """Shape (L,), as the checkpoint wants them."""


class Recording(Protocol):
    """A recording on its way through a model.

    Attributes:
        duration_s: Its length, known when all of it has been read.
        error: Why it has no result.
    """

    duration_s: float
    error: Wav2Vec2ConformerError | None


R = TypeVar("R")
M = TypeVar("M", bound=Recording)
P = TypeVar("P", bound=Piece)
Blocks = Iterable[NDArray[np.float32]]


def iter_pieces(
    sources: Iterable[AudioSource],
    sample_rate_hz: float | None,
    *,
    target_rate_hz: int,
    max_held_samples: int,
    start: Callable[[str], M],
    cut: Callable[[M, Blocks], Iterable[P]],
) -> Iterator[tuple[M, P | None]]:
    """Read recordings one after another and yield their pieces, as `iter_finished` takes them.

    Args:
        sources: Anything that `AudioBlocks` takes.
        sample_rate_hz: Rate of arrays and tensors; not used for other sources.
        target_rate_hz: Rate that the model wants.
        max_held_samples: Recordings up to this length are decoded once and held in memory;
            longer ones are decoded each time that they are read.
        start: Makes a recording of its name. Its length, or why it cannot be read, is set here.
        cut: Cuts the blocks of a recording.
    """
    for source in sources:
        recording = start(source_name(source))
        try:
            with AudioBlocks(source, sample_rate_hz, target_rate_hz=target_rate_hz) as blocks:
                waveform = blocks.load(max_held_samples)
                is_short = len(waveform) <= max_held_samples
                held: Blocks = [waveform] if is_short else blocks
                del waveform
                for piece in cut(recording, held):
                    yield recording, piece
                recording.duration_s = blocks.duration_s or 0.0  # known by now
        except Wav2Vec2ConformerError as error:
            recording.error = error
        yield recording, None


@dataclass(slots=True)
class _Progress(Generic[R]):
    """How far a recording is on its way through the model."""

    recording: R
    num_missing: int = 0
    is_read: bool = False

    @property
    def is_done(self) -> bool:
        return self.is_read and not self.num_missing


def iter_finished(
    pieces: Iterable[tuple[R, P | None]],
    run: Callable[[Sequence[tuple[R, P]]], Iterable[int]],
    *,
    batch_samples: float,
) -> Iterator[R]:
    """Run a model over recordings and yield each, in order, when all its pieces are done.

    Recordings are read as they are needed, and no further ahead than batches need.

    Args:
        pieces: Of one recording after another, with the recording each is of; after the last
            one of a recording, or in place of any, None.
        run: Runs the model over pieces, and gives the position of each when it is done.
        batch_samples: Largest padded length of a batch.

    Yields:
        The recordings, as early as may be.
    """
    pending: deque[_Progress[R]] = deque()
    gathered: list[tuple[_Progress[R], P]] = []
    num_samples = 0

    def iter_done() -> Iterator[R]:
        while pending and pending[0].is_done:
            yield pending.popleft().recording

    def run_gathered() -> Iterator[R]:
        for position in run([(owner.recording, piece) for owner, piece in gathered]):
            gathered[position][0].num_missing -= 1
            yield from iter_done()

    for recording, piece in pieces:
        if not pending or pending[-1].is_read:
            pending.append(_Progress(recording))
        owner = pending[-1]
        if piece is None:
            owner.is_read = True
            yield from iter_done()  # its last piece may have been through already
            continue
        owner.num_missing += 1
        gathered.append((owner, piece))
        num_samples += len(piece.samples)
        if num_samples >= LOOK_AHEAD_BATCHES * batch_samples:
            yield from run_gathered()
            gathered, num_samples = [], 0
    yield from run_gathered()


def plan_batches(lengths: Sequence[int], max_length: float) -> list[list[int]]:
    """Group items so that each batch, padded to its longest item, stays within a length.

    Args:
        lengths: Length of each item.
        max_length: Largest padded length of a batch (items times the longest). An item longer
            than that is a batch of its own.

    Returns:
        Positions in `lengths`, longest items first. Each position occurs once.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        # The first item of a batch is its longest.
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= max_length:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def iter_batches(
    pieces: Sequence[P], batch_samples: float
) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """Yield padded batches of similar lengths, early pieces first as far as that allows.

    Args:
        pieces: What the model is to see.
        batch_samples: Largest padded length of a batch.

    Yields:
        Positions in `pieces`; waveforms and mask, 1 where valid, both of shape (B, L).
    """
    batches = plan_batches([len(piece.samples) for piece in pieces], batch_samples)
    for batch in sorted(batches, key=min):
        waveforms, mask = pad([pieces[position].samples for position in batch])
        yield batch, waveforms, mask


def pad(waveforms: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Return waveforms (L,) as one batch, and its mask, 1 where valid; both (B, L)."""
    longest = max(len(waveform) for waveform in waveforms)
    padded = np.zeros((len(waveforms), longest), dtype=np.float32)
    mask = np.zeros((len(waveforms), longest), dtype=np.int64)
    for row, waveform in enumerate(waveforms):
        padded[row, : len(waveform)] = waveform
        mask[row, : len(waveform)] = 1
    return torch.from_numpy(padded), torch.from_numpy(mask)
