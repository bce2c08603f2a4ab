from typing import Any

import numpy as np

from wav2vec2_conformer.inference.decoder import CtcDecoder, DecodingOptions
from wav2vec2_conformer.inference.open_segment import OpenSegment

TOKENS = ["<pad>", "|", "A", "B", "C"]
FRAME_S = 0.1


def frames(best: str) -> np.ndarray:
    """Return log-probabilities whose best tokens are given: _ is the blank."""
    log_probs = np.full((len(best), len(TOKENS)), -5.0, np.float32)
    log_probs[np.arange(len(best)), ["_|ABC".index(token) for token in best]] = -0.03
    return log_probs


def make(*, has_delimiter: bool = True, **options: Any) -> OpenSegment:
    decoder = CtcDecoder(
        TOKENS,
        blank_id=0,
        special_ids=[0],
        frame_s=FRAME_S,
        options=DecodingOptions(segment_pause_s=0.5, **options),
    )
    return OpenSegment(decoder, delimiter_id=1 if has_delimiter else None, frame_s=FRAME_S)


def commit(segment: OpenSegment, best: str) -> tuple[list[str], list[str]]:
    words, segments = segment.commit(frames(best), heard_s=1e9)
    return [word.text for word in words], [closed.text for closed in segments]


def finish(segment: OpenSegment) -> tuple[list[str], list[str]]:
    words, segments = segment.finish(heard_s=1e9)
    return [word.text for word in words], [closed.text for closed in segments]


def test_a_word_is_final_when_the_delimiter_after_it_is() -> None:
    segment = make()
    assert commit(segment, "AA_B") == ([], [])
    assert commit(segment, "_C") == ([], [])
    assert commit(segment, "|_A") == (["ABC"], [])
    assert finish(segment) == (["A"], ["ABC A"])


def test_a_token_that_two_blocks_share_is_one_token() -> None:
    segment = make()
    assert commit(segment, "AA") == ([], [])
    assert commit(segment, "AB") == ([], [])
    assert finish(segment) == (["AB"], ["AB"])


def test_a_blank_between_blocks_parts_equal_tokens() -> None:
    segment = make()
    commit(segment, "A_")
    commit(segment, "A")
    assert finish(segment) == (["AA"], ["AA"])


def test_a_delimiter_that_two_blocks_share_makes_no_empty_word() -> None:
    segment = make()
    assert commit(segment, "A|") == (["A"], [])
    assert commit(segment, "|B|") == (["B"], [])


def test_a_pause_makes_the_word_before_it_final_and_closes_the_segment() -> None:
    segment = make()
    assert commit(segment, "A|B____") == (["A"], [])
    assert commit(segment, "_") == (["B"], ["A B"])
    assert segment.words == []
    assert commit(segment, "_" * 50) == ([], [])


def test_a_pause_inside_a_block_parts_segments() -> None:
    segment = make()
    assert commit(segment, "A|______B|C|") == (["A", "B", "C"], ["A"])
    assert finish(segment) == ([], ["B C"])


def test_a_pause_parts_words_even_without_a_delimiter() -> None:
    segment = make()
    assert commit(segment, "A_____B") == (["A"], ["A"])
    assert commit(segment, "____") == ([], [])
    assert commit(segment, "_C|") == (["B", "C"], ["B"])
    assert finish(segment) == ([], ["C"])


def test_the_start_of_the_next_word_ends_no_short_pause() -> None:
    segment = make()
    assert commit(segment, "A|__B") == (["A"], [])
    assert [word.text for word in segment.words] == ["A"]


def test_times_count_from_the_start_of_the_stream() -> None:
    segment = make()
    segment.commit(frames("______AB|_"), heard_s=9)
    words, _ = segment.commit(frames("_CC_|"), heard_s=9)
    (word,) = words
    assert (word.text, word.start_s, word.end_s) == ("C", 1.1, 1.3)
    (character,) = word.characters
    assert (character.text, character.start_s, character.end_s) == ("C", 1.1, 1.3)
    assert 0.85 < word.confidence < 1  # eleven frames that are 99 % sure


def test_no_time_is_later_than_the_audio() -> None:
    segment = make()
    segment.commit(frames("_A"), heard_s=0.17)
    ((word,), _) = segment.finish(heard_s=0.17)
    assert word.end_s == 0.17


def test_long_segments_are_closed_between_words() -> None:
    segment = make(max_segment_s=1.0)
    assert commit(segment, "AAAA|BBBB|CCCC|") == (["A", "B", "C"], ["A B"])
    segment = make(max_segment_characters=3)
    assert commit(segment, "A|B|C|") == (["A", "B", "C"], ["A B"])


def test_without_delimiters_speech_that_does_not_pause_is_cut_at_a_blank() -> None:
    segment = make(has_delimiter=False, max_segment_s=1.0)
    assert commit(segment, "AB_AC_AB") == ([], [])
    assert commit(segment, "A_BC") == (["ABACABA"], [])
    assert finish(segment) == (["BC"], ["ABACABA", "BC"])


def test_a_search_makes_words_final_at_pauses_or_at_the_longest_segment() -> None:
    segment = make(beam_width=4, max_segment_s=1.0)
    assert commit(segment, "A|B|") == ([], [])
    assert [word.text for word in segment.read_open(frames("C"), heard_s=9)] == ["A", "B", "C"]
    assert commit(segment, "C_____") == (["A", "B", "C"], ["A B C"])
    assert commit(segment, "A|BBBB|CCC") == ([], [])
    assert commit(segment, "C") == (["A", "B"], [])
    assert finish(segment) == (["C"], ["A B", "C"])


def test_hot_words_count_in_the_text_of_a_stream() -> None:
    log_probs = frames("A|_B_|A")
    log_probs[3, [3, 4]] = np.log([0.5, 0.45])  # B, a little likelier than C
    for hot_words, expected in [((), "A B A"), ({"C": 1.0}, "A C A")]:
        segment = make(beam_width=4, hot_words=hot_words)
        segment.commit(log_probs, heard_s=9)
        assert finish(segment)[1] == [expected]


def test_open_words_are_read_with_what_is_not_committed_and_stay_open() -> None:
    segment = make()
    commit(segment, "A|B")
    words = segment.read_open(frames("C|A"), heard_s=9)
    assert [(word.text, word.start_s) for word in words] == [("BC", 0.2), ("A", 0.5)]
    assert finish(segment) == (["B"], ["A B"])


def test_a_stream_without_frames_has_no_words() -> None:
    assert finish(make()) == ([], [])


def test_memory_does_not_grow_in_silence_or_speech() -> None:
    segment = make()
    for _ in range(50):
        commit(segment, "_" * 20)
        assert segment._log_probs is not None
        assert len(segment._log_probs) == 0
    for _ in range(50):
        commit(segment, "AB|" * 10 + "A")
        assert len(segment._log_probs) == 1
        assert len(segment.words) < 40
