import numpy as np
import pytest

from wav2vec2_conformer.inference.joint import find_joint

BLANK, DELIMITER, LETTER = 0, 1, 2


def frames(tokens: str, sure: float = 0.98) -> np.ndarray:
    """Return log-probabilities in which each frame's token (_ | a) is sure."""
    best = ["_|a".index(token) for token in tokens]
    probabilities = np.full((len(best), 3), (1 - sure) / 2)
    probabilities[np.arange(len(best)), best] = sure
    return np.log(probabilities).astype(np.float32)


def joint(tokens: str, border: int, max_hold: int = 100, **options: float) -> int:
    return find_joint(
        frames(tokens, **options),
        silent_ids=[BLANK, DELIMITER],
        border=border,
        max_hold=max_hold,
    )


def test_a_silent_border_is_the_joint() -> None:
    assert joint("aa___aaa", border=4) == 4


def test_a_border_inside_a_token_moves_back_between_silent_frames() -> None:
    assert joint("aa__aaaa__", border=7) == 3


def test_the_delimiter_is_silent_too() -> None:
    assert joint("aaa||aaaaa", border=8) == 4


def test_a_delimiter_beside_a_blank_might_be_lost() -> None:
    assert joint("a__a_|aaaa", border=8) == 2


def test_one_silent_frame_between_two_tokens_is_no_place_for_a_joint() -> None:
    assert joint("a__aa_aaa", border=7) == 2


def test_without_silence_the_border_is_the_joint() -> None:
    assert joint("aaaaaaaa", border=5) == 5


def test_a_joint_is_not_held_back_further_than_allowed() -> None:
    assert joint("a__aaaaaaaa", border=9, max_hold=6) == 9
    assert joint("a__aaaaaaaa", border=9, max_hold=7) == 2


def test_silence_that_is_not_sure_does_not_count() -> None:
    assert joint("aa__aaaa", border=6, sure=0.8) == 6


@pytest.mark.parametrize("num_frames", [1, 2, 9])
def test_the_border_may_be_the_last_frame(num_frames: int) -> None:
    assert joint("_" * num_frames, border=num_frames) in {max(1, num_frames - 1), num_frames}


def test_at_least_one_frame_is_committed() -> None:
    assert joint("______aaaa", border=1) == 1
