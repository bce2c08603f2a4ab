"""Who said what, on words and turns whose times are known."""

import pytest

from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.inference.speaker_words import assign_speakers, find_speaker
from wav2vec2_conformer.inference.transcript import Word


def word(start_s: float, end_s: float, text: str = "word") -> Word:
    return Word(text, start_s, end_s)


def turns(*times: tuple[float, float, str]) -> list[SpeakerTurn]:
    return [SpeakerTurn(*time) for time in times]


@pytest.mark.parametrize(
    ("start_s", "end_s", "speaker"),
    [
        (0.2, 0.6, "a"),  # inside
        (0.7, 1.2, "a"),  # 0.3 s and 0.2 s
        (0.9, 1.2, "b"),  # 0.1 s and 0.2 s
        (2.1, 2.3, "b"),  # 0.1 s after the last turn
        (2.4, 2.6, "b"),
        (2.6, 2.8, None),  # too far
    ],
)
def test_a_word_belongs_to_who_covers_most_of_it(
    start_s: float, end_s: float, speaker: str | None
) -> None:
    found = find_speaker(word(start_s, end_s), turns((0, 1, "a"), (1, 2, "b")))
    assert found == speaker


def test_equal_shares_go_to_who_has_the_floor() -> None:
    both = turns((1.0, 3.0, "late"), (0.0, 3.0, "early"))
    assert find_speaker(word(1.5, 2.0), both) == "early"


def test_shares_of_several_turns_add_up() -> None:
    several = turns((0.0, 0.2, "a"), (0.2, 0.5, "b"), (0.5, 0.7, "a"))
    assert find_speaker(word(0.0, 0.7), several) == "a"


def test_without_turns_nobody_said_it() -> None:
    assert find_speaker(word(0, 1), []) is None


def test_a_segment_ends_where_the_speaker_changes() -> None:
    words = [word(0.1, 0.4, "how"), word(0.5, 0.8, "are"), word(0.9, 1.3, "fine")]
    spoken = assign_speakers(words, turns((0, 0.85, "a"), (0.85, 2, "b")))
    assert [(part.speaker, part.segment.text) for part in spoken] == [
        ("a", "how are"),
        ("b", "fine"),
    ]
    assert spoken[0].segment.words == tuple(words[:2])


def test_a_segment_ends_at_a_pause_too() -> None:
    words = [word(0, 0.4, "one"), word(3.0, 3.4, "two")]
    spoken = assign_speakers(words, turns((0, 4, "a")))
    assert [part.segment.text for part in spoken] == ["one", "two"]
    assert {part.speaker for part in spoken} == {"a"}


def test_no_words_make_no_segments() -> None:
    assert assign_speakers([], turns((0, 1, "a"))) == ()
