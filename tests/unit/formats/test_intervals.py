"""Times in milliseconds."""

from wav2vec2_conformer.formats.intervals import separate


def test_intervals_apart_are_only_rounded() -> None:
    assert separate([(0.0004, 0.0126), (0.0126, 0.5), (1.0, 2.9996)]) == [
        (0, 13),
        (13, 500),
        (1000, 3000),
    ]


def test_where_two_overlap_the_first_ends() -> None:
    assert separate([(0.0, 2.0), (1.0, 3.0)]) == [(0, 1000), (1000, 3000)]


def test_an_empty_interval_gets_a_millisecond() -> None:
    assert separate([(1.0, 1.0), (2.0, 1.5)]) == [(1000, 1001), (2000, 2001)]


def test_equal_starts_follow_each_other() -> None:
    assert separate([(1.0, 1.5)] * 3) == [(1000, 1001), (1001, 1002), (1002, 1500)]


def test_nothing_is_before_the_audio() -> None:
    assert separate([(-0.5, 0.25)]) == [(0, 250)]
