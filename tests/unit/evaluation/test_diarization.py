"""Diarization error rates by hand."""

import math

import numpy as np
import pytest

from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation.diarization import DiarizationScores, score_diarization

TRUTH = [SpeakerTurn(0, 4, "a"), SpeakerTurn(4, 8, "b"), SpeakerTurn(7, 9, "a")]


def score(found: list[SpeakerTurn], **options: object) -> DiarizationScores:
    return score_diarization({"x": TRUTH}, {"x": found}, {"x": [(0.0, 10.0)]}, **options)


def test_the_truth_has_no_errors_whatever_its_speakers_are_called() -> None:
    names = {"a": "SPEAKER_01", "b": "SPEAKER_00"}
    found = [SpeakerTurn(turn.start_s, turn.end_s, names[turn.speaker]) for turn in TRUTH]
    total = score(found).total
    assert (total.der, total.jer, total.speech_s, total.num_speakers) == (0, 0, 10, 2)


def test_each_kind_of_error_is_counted_in_seconds() -> None:
    found = [SpeakerTurn(0, 5, "x"), SpeakerTurn(5, 8, "y"), SpeakerTurn(9, 10, "x")]
    total = score(found).total
    # 4 to 5: b taken for a. 7 to 8: a not found beside b. 8 to 9: a not found. 9 to 10: nobody.
    assert total.confusion_s == pytest.approx(1)
    assert total.missed_s == pytest.approx(2)
    assert total.false_alarm_s == pytest.approx(1)
    assert total.der == pytest.approx(4 / 10)
    # a: 4 of the 8 s of either. b: 3 of 4.
    assert total.jer == pytest.approx((1 - 4 / 8 + 1 - 3 / 4) / 2)


def test_nothing_found_is_all_missed() -> None:
    total = score([]).total
    assert (total.der, total.missed_s, total.jer) == (1, 10, 1)


def test_the_collar_is_left_out_on_each_side_of_a_boundary() -> None:
    found = [SpeakerTurn(0, 4.5, "x"), SpeakerTurn(4.5, 8, "y"), SpeakerTurn(7, 9, "x")]
    assert score(found).total.confusion_s == pytest.approx(0.5)
    assert score(found, collar_s=0.25).total.confusion_s == pytest.approx(0.25)
    assert score(found, collar_s=0.5).total.confusion_s == 0
    # Boundaries at 0, 4, 7 (two speak after it), 8 (two speak before it) and 9.
    assert score(found, collar_s=0.25).total.speech_s == pytest.approx(
        10 - 0.25 - 0.5 - 0.75 - 0.75 - 0.25
    )


def test_overlap_can_be_left_out() -> None:
    assert score([], skips_overlap=True).total.speech_s == pytest.approx(8)


def test_parts_limit_what_is_scored() -> None:
    scores = score_diarization({"x": TRUTH}, {"x": []}, {"x": [(0.0, 1.0), (4.0, 6.0)]})
    assert scores.total.missed_s == pytest.approx(3)


def test_recordings_are_added_up_and_give_an_interval() -> None:
    names = [str(i) for i in range(4)]
    found = {name: TRUTH if i % 2 else [] for i, name in enumerate(names)}
    parts = {name: [(0.0, 10.0)] for name in names}
    scores = score_diarization(dict.fromkeys(names, TRUTH), found, parts, seed=1)
    assert [errors.der for errors in scores.recordings.values()] == [1, 0, 1, 0]
    assert (scores.total.der, scores.total.jer, scores.total.speech_s) == (0.5, 0.5, 40)
    assert scores.interval is not None
    assert 0 <= scores.interval.low < 0.5 < scores.interval.high <= 1
    assert score(TRUTH).interval is None


def test_without_speech_rates_are_not_defined() -> None:
    scores = score_diarization({"x": []}, {"x": [SpeakerTurn(0, 1, "a")]}, {"x": [(0.0, 2.0)]})
    assert math.isnan(scores.total.der)
    assert math.isnan(scores.total.jer)
    assert scores.total.false_alarm_s == pytest.approx(1)


def test_overlapping_turns_of_one_speaker_count_once() -> None:
    turns = [SpeakerTurn(0, 2, "a"), SpeakerTurn(1, 3, "a")]
    scores = score_diarization({"x": turns}, {"x": turns}, {"x": [(0.0, 3.0)]})
    assert (scores.total.speech_s, scores.total.der) == (3, 0)


def test_frames_counted_by_hand_give_the_same_rate() -> None:
    rng = np.random.default_rng(0)
    truth, found = (rng.random((2, 50, 2)) < 0.4).astype(int)

    def turns(grid: np.ndarray) -> list[SpeakerTurn]:
        return [SpeakerTurn(t / 10, (t + 1) / 10, f"s{s}") for t, s in np.argwhere(grid)]

    def errors(order: list[int]) -> int:
        right = (truth & found[:, order]).sum(axis=1)
        return int((np.maximum(truth.sum(axis=1), found.sum(axis=1)) - right).sum())

    scores = score_diarization({"x": turns(truth)}, {"x": turns(found)}, {"x": [(0.0, 5.0)]})
    assert scores.total.der == pytest.approx(min(errors([0, 1]), errors([1, 0])) / truth.sum())


def test_recordings_must_be_the_same_and_the_collar_positive() -> None:
    with pytest.raises(InputError, match="of the same recordings"):
        score_diarization({"x": []}, {"y": []}, {"x": []})
    with pytest.raises(InputError, match="collar_s must be 0 or more, but is -1"):
        score([], collar_s=-1.0)
