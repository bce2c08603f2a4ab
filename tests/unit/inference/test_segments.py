"""Words to segments."""

import itertools

import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.segments import join_words, split_segments
from wav2vec2_conformer.inference.transcript import Word


def words(*times: tuple[float, float], text: str = "word") -> list[Word]:
    return [Word(text, start, end) for start, end in times]


def even(num_words: int, *, length_s: float = 0.3, gap_s: float = 0.1) -> list[Word]:
    step = length_s + gap_s
    return words(*((i * step, i * step + length_s) for i in range(num_words)))


def test_no_words_no_segments() -> None:
    assert split_segments([]) == ()


def test_pauses_end_segments() -> None:
    spoken = words((0.0, 0.5), (0.6, 1.0), (1.6, 2.0), (2.5, 3.0))
    segments = split_segments(spoken, pause_s=0.6)
    assert [len(segment.words) for segment in segments] == [2, 2]
    assert segments[0] == join_words(spoken[:2])
    assert (segments[1].text, segments[1].start_s, segments[1].end_s) == ("word word", 1.6, 3.0)


@pytest.mark.parametrize("limits", [{"max_duration_s": 2.0}, {"max_characters": 30}])
def test_long_segments_are_split_and_no_word_is_lost(limits: dict[str, float]) -> None:
    spoken = even(50)
    segments = split_segments(spoken, **limits)
    assert list(itertools.chain.from_iterable(each.words for each in segments)) == spoken
    for segment in segments:
        assert segment.end_s - segment.start_s <= limits.get("max_duration_s", 7.0)
        assert len(segment.text) <= limits.get("max_characters", 84)
    # In the middle, so that none is left nearly alone.
    assert min(len(segment.words) for segment in segments) >= 3


def test_a_long_segment_is_split_at_the_widest_pause_of_its_middle() -> None:
    spoken = words((0, 1), (1.5, 2), (2.1, 3), (3.4, 4), (4.1, 5), (5.1, 6), (6.1, 7), (7.1, 8))
    segments = split_segments(spoken)
    assert [len(segment.words) for segment in segments] == [3, 5]


def test_one_long_word_stays_whole() -> None:
    (segment,) = split_segments(words((0.0, 30.0), text="a" * 200))
    assert (segment.end_s, len(segment.text)) == (30.0, 200)


@pytest.mark.parametrize("name", ["pause_s", "max_duration_s", "max_characters"])
def test_limits_must_be_positive(name: str) -> None:
    with pytest.raises(InputError, match=name):
        split_segments([], **{name: 0})
