import numpy as np
import pytest

from wav2vec2_conformer.audio.pacing import RealTimePace


class Clock:
    """A clock that only sleep and work move."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds


def test_no_piece_comes_before_its_time() -> None:
    clock = Clock()
    pace = RealTimePace(1000, clock=clock, sleep=clock.sleep)
    samples = np.arange(1050, dtype=np.float32)
    pieces, times = [], []
    for piece in pace.pace([samples[:330], samples[330:]]):
        pieces.append(piece)
        times.append(clock.now_s - 100.0)
    np.testing.assert_array_equal(np.concatenate(pieces), samples)
    ends = np.cumsum([len(piece) for piece in pieces]) / 1000
    np.testing.assert_allclose(times, ends, atol=1e-9)
    assert max(len(piece) for piece in pieces) == 100
    assert pace.lag_s == 0


def test_a_slow_consumer_gets_the_next_pieces_at_once_and_its_lag_is_known() -> None:
    clock = Clock()
    pace = RealTimePace(1000, clock=clock, sleep=clock.sleep)
    for _ in pace.pace([np.zeros(1000, np.float32)]):
        clock.now_s += 0.3  # three times as long as the piece
    assert clock.now_s == pytest.approx(100.0 + 0.1 + 10 * 0.3)
    assert pace.lag_s == pytest.approx(2.1)
    assert pace.given_s == 1.0


def test_before_the_first_piece_there_is_no_lag() -> None:
    assert RealTimePace(1000).lag_s == 0
