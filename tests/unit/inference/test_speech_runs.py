"""Probabilities to stretches of speech."""

import numpy as np
import pytest

from wav2vec2_conformer.inference.speech_runs import find_runs


def runs(probs: list[float], onset: float = 0.6, offset: float = 0.4, **least: int):
    return find_runs(np.array(probs, dtype=np.float32), onset=onset, offset=offset, **least)


def test_speech_begins_at_the_onset_and_goes_on_down_to_the_offset() -> None:
    assert runs([0.5, 0.7, 0.5, 0.4, 0.3, 0.5, 0.5]) == [(1, 4)]


def test_with_equal_thresholds_runs_are_what_reaches_them() -> None:
    assert runs([0.9, 0.4, 0.5, 0.6, 0.1, 0.9], onset=0.5, offset=0.5) == [(0, 1), (2, 4), (5, 6)]


def test_hysteresis_does_not_chop_a_run_that_wavers() -> None:
    assert runs([0.7, 0.5] * 5) == [(0, 10)]


@pytest.mark.parametrize(("min_silence", "expected"), [(2, [(0, 2), (4, 6)]), (3, [(0, 6)])])
def test_shorter_gaps_are_closed(min_silence: int, expected: list[tuple[int, int]]) -> None:
    assert runs([0.9, 0.9, 0, 0, 0.9, 0.9], min_silence_frames=min_silence) == expected


def test_gaps_are_closed_before_short_runs_are_dropped() -> None:
    probs = [0.9, 0, 0.9, 0, 0, 0, 0.9]
    assert runs(probs, min_speech_frames=3, min_silence_frames=2) == [(0, 3)]


def test_nothing_has_no_runs() -> None:
    assert runs([]) == runs([0.0, 0.5]) == []
