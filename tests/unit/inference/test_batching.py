"""Batches of similar length within a budget."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import Wav2Vec2ConformerError
from wav2vec2_conformer.inference.batching import (
    LOOK_AHEAD_BATCHES,
    iter_finished,
    iter_pieces,
    pad,
    plan_batches,
)


@dataclass(frozen=True)
class Piece:
    samples: NDArray[np.float32]


@dataclass
class Recording:
    name: str
    duration_s: float = 0.0
    error: Wav2Vec2ConformerError | None = None
    done: list[int] = field(default_factory=list)


def backwards(jobs: Sequence[tuple[Recording, Piece]]) -> Iterator[int]:
    """Run the last piece first."""
    for position in reversed(range(len(jobs))):
        recording, piece = jobs[position]
        recording.done.append(len(piece.samples))
        yield position


def pieces_of(*lengths: int) -> list[Piece]:
    return [Piece(np.zeros(length, np.float32)) for length in lengths]


def test_every_item_occurs_once_and_batches_fit() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 200).tolist()
    batches = plan_batches(lengths, 250)
    assert sorted(index for batch in batches for index in batch) == list(range(200))
    for batch in batches:
        assert len(batch) * max(lengths[index] for index in batch) <= 250


def test_items_of_similar_length_share_a_batch() -> None:
    assert plan_batches([10, 100, 11, 99], 200) == [[1, 3], [2, 0]]


def test_an_item_beyond_the_budget_is_alone() -> None:
    assert plan_batches([5, 500, 5], 10) == [[1], [0, 2]]


def test_no_items_make_no_batches() -> None:
    assert plan_batches([], 10) == []


def test_recordings_come_in_order_with_all_their_pieces() -> None:
    first, empty, last = Recording("a"), Recording("b"), Recording("c")
    a, b = pieces_of(5, 6)
    [c] = pieces_of(7)
    pieces = [(first, a), (first, b), (first, None), (empty, None), (last, c), (last, None)]
    finished = list(iter_finished(pieces, backwards, batch_samples=10))
    assert finished == [first, empty, last]
    assert (first.done, empty.done, last.done) == ([6, 5], [], [7])


def test_reading_goes_no_further_ahead_than_batches_need() -> None:
    num_read = 0

    def endless() -> Iterator[tuple[Recording, Piece | None]]:
        nonlocal num_read
        while True:
            num_read += 1
            recording = Recording(str(num_read))
            yield recording, pieces_of(10)[0]
            yield recording, None

    finished = iter_finished(endless(), backwards, batch_samples=20)
    assert [next(finished).name for _ in range(5)] == list("12345")
    assert num_read <= 5 + 2 * LOOK_AHEAD_BATCHES


def test_what_is_done_is_not_kept_until_the_next_recording_has_been_read() -> None:
    first = Recording("first")

    def pieces() -> Iterator[tuple[Recording, Piece | None]]:
        yield first, pieces_of(100)[0]
        yield first, None
        raise AssertionError("the next one would have to wait for somebody")

    assert next(iter_finished(pieces(), backwards, batch_samples=1)) is first


def test_a_source_that_cannot_be_read_is_a_recording_with_an_error() -> None:
    good = {"array": np.ones(800, np.float32), "sampling_rate": 16_000}
    read = list(
        iter_pieces(
            ["missing.wav", good],
            None,
            target_rate_hz=16_000,
            max_held_samples=1000,
            start=Recording,
            cut=lambda _, blocks: [Piece(block) for block in blocks],
        )
    )
    assert read[0][0].name == "missing.wav"
    assert read[1][0] is read[2][0] is not read[0][0]
    assert [None if piece is None else len(piece.samples) for _, piece in read] == [None, 800, None]
    assert "missing.wav" in str(read[0][0].error)
    assert (read[-1][0].error, read[-1][0].duration_s) == (None, 0.05)


def test_padding_is_zeros_and_masked() -> None:
    waveforms, mask = pad([np.ones(2, np.float32), np.ones(3, np.float32)])
    assert waveforms.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert mask.tolist() == [[1, 1, 0], [1, 1, 1]]
