"""Subtitles, read back by pysubs2 and webvtt-py."""

import html
import io

import pysubs2
import pytest
import webvtt
from rich.cells import cell_len

from wav2vec2_conformer.formats import FormatOptions, format_transcript
from wav2vec2_conformer.inference.transcript import Transcript, Word

from .conftest import transcript


def read_srt(content: str) -> list[tuple[int, int, str]]:
    """Return start, end and text of each cue, as pysubs2 and webvtt-py both read them."""
    cues = [
        (event.start, event.end, event.text.replace(r"\N", "\n"))
        for event in pysubs2.SSAFile.from_string(content, format_="srt", keep_html_tags=True)
    ]
    if content:
        others = webvtt.from_buffer(io.StringIO(content), format="srt")
        assert list(map(times_ms, others)) == [cue[:2] for cue in cues]
    return cues


def read_vtt(content: str) -> list[tuple[int, int, str]]:
    """Return start, end and text of each cue, as pysubs2 and webvtt-py both read them."""
    cues = [(*times_ms(caption), caption.text) for caption in webvtt.from_string(content)]
    others = pysubs2.SSAFile.from_string(content, format_="vtt")
    assert [(other.start, other.end) for other in others] == [cue[:2] for cue in cues]
    return cues


def times_ms(caption: webvtt.Caption) -> tuple[int, int]:
    return caption.start_time.in_milliseconds(), caption.end_time.in_milliseconds()


def test_srt_has_commas_hours_and_numbers(greeting: Transcript) -> None:
    assert format_transcript(greeting, "srt") == (
        "1\n00:00:00,100 --> 00:00:01,040\nHELLO THERE\n"
        "\n"
        "2\n00:00:02,000 --> 00:00:02,700\nGOOD DAY\n"
    )


def test_vtt_has_dots_and_a_header(greeting: Transcript) -> None:
    assert format_transcript(greeting, "vtt") == (
        "WEBVTT\n"
        "\n"
        "00:00:00.100 --> 00:00:01.040\nHELLO THERE\n"
        "\n"
        "00:00:02.000 --> 00:00:02.700\nGOOD DAY\n"
    )


def test_both_are_read_back(greeting: Transcript) -> None:
    expected = [(100, 1040, "HELLO THERE"), (2000, 2700, "GOOD DAY")]
    assert read_srt(format_transcript(greeting, "srt")) == expected
    assert read_vtt(format_transcript(greeting, "vtt")) == expected


def test_hours_grow_beyond_a_day() -> None:
    late = transcript([Word("A", 100 * 3600 + 61.5, 100 * 3600 + 62)], duration_s=400_000)
    assert "100:01:01,500 --> 100:01:02,000" in format_transcript(late, "srt")
    assert "100:01:01.500 --> 100:01:02.000" in format_transcript(late, "vtt")


def test_silence_has_no_cue(silence: Transcript) -> None:
    assert format_transcript(silence, "srt") == ""
    assert format_transcript(silence, "vtt") == "WEBVTT\n"
    assert read_vtt("WEBVTT\n") == []


@pytest.mark.parametrize("words", [False, True])
def test_a_short_word_keeps_its_time(short_word: Transcript, words: bool) -> None:
    options = FormatOptions(words=words)
    assert read_srt(format_transcript(short_word, "srt", options)) == [(520, 540, "I")]
    assert read_vtt(format_transcript(short_word, "vtt", options)) == [(520, 540, "I")]


def test_words_without_segments_are_one_cue() -> None:
    words = (Word("A", 0.0, 0.2), Word("B", 0.5, 0.75))
    result = Transcript(source="a", text="A B", words=words, duration_s=1.0)
    assert read_srt(format_transcript(result, "srt")) == [(0, 750, "A B")]


def test_right_to_left_text_stays_in_logical_order(arabic: Transcript) -> None:
    assert [cue[2] for cue in read_srt(format_transcript(arabic, "srt"))] == [arabic.text]
    assert [cue[2] for cue in read_vtt(format_transcript(arabic, "vtt"))] == [arabic.text]


def test_markup_in_the_text_is_text_in_vtt() -> None:
    words = [Word("<b>", 0.1, 0.2), Word("AT&T", 0.3, 0.4), Word("-->", 0.5, 0.6)]
    content = format_transcript(transcript(words), "vtt")
    assert "&lt;b&gt; AT&amp;T --&gt;" in content
    ((_, _, text),) = read_vtt(content)
    assert html.unescape(text) == "<b> AT&T -->"


def test_an_arrow_in_the_text_makes_no_line_of_times_in_srt() -> None:
    words = [Word(text, i, i + 0.5) for i, text in enumerate(["A", "-->", "B"])]
    options = FormatOptions(max_line_width=3)
    content = format_transcript(transcript(words), "srt", options)
    assert content.count("-->") == 1
    assert read_srt(content) == [(0, 2500, "A\n->\nB")]


def test_line_ends_in_a_word_end_no_cue() -> None:
    content = format_transcript(transcript([Word("A\n\n2\tB", 0.0, 0.5)]), "srt")
    assert read_srt(content) == [(0, 500, "A 2 B")]


def test_words_give_srt_a_cue_each(greeting: Transcript) -> None:
    content = format_transcript(greeting, "srt", FormatOptions(words=True))
    assert read_srt(content) == [
        (100, 500, "HELLO"),
        (600, 1040, "THERE"),
        (2000, 2300, "GOOD"),
        (2420, 2700, "DAY"),
    ]


def test_words_give_vtt_times_inside_the_cue(greeting: Transcript) -> None:
    content = format_transcript(greeting, "vtt", FormatOptions(words=True))
    assert "\nHELLO <00:00:00.600>THERE\n" in content
    assert read_vtt(content) == read_vtt(format_transcript(greeting, "vtt"))


def test_times_inside_a_vtt_cue_rise() -> None:
    times = [(0.1, 0.3), (0.3, 0.4), (0.3, 0.4), (0.2, 0.5), (0.6, 0.7)]
    words = [Word("X", start, end) for start, end in times]
    content = format_transcript(transcript(words), "vtt", FormatOptions(words=True))
    assert "X <00:00:00.300>X X X <00:00:00.600>X" in content


WORDS = [Word(f"{'W' * (1 + i % 7)}", i * 0.5, i * 0.5 + 0.4) for i in range(23)]


@pytest.mark.parametrize("name", ["srt", "vtt"])
@pytest.mark.parametrize(("width", "count"), [(12, 1), (12, 2), (20, 3), (7, 1)])
def test_every_cue_fits(name: str, width: int, count: int) -> None:
    options = FormatOptions(max_line_width=width, max_line_count=count)
    read = read_srt if name == "srt" else read_vtt
    cues = read(format_transcript(transcript(WORDS), name, options))
    lines = [text.split("\n") for _, _, text in cues]
    assert max(map(len, lines)) == count
    assert all(cell_len(line) <= width for cue in lines for line in cue)
    assert " ".join(" ".join(cue) for cue in lines) == transcript(WORDS).text
    # A cue ends as its last word does, not where the next one starts.
    ends = [word.end_s * 1000 for word in WORDS]
    assert all(any(abs(end - cue[1]) < 1 for end in ends) for cue in cues)
    assert cues[0][1] < cues[1][0]


def test_a_width_alone_breaks_lines_and_cuts_no_segment(greeting: Transcript) -> None:
    content = format_transcript(greeting, "srt", FormatOptions(max_line_width=5))
    assert read_srt(content) == [(100, 1040, "HELLO\nTHERE"), (2000, 2700, "GOOD\nDAY")]


def test_a_word_wider_than_the_line_stays_whole(greeting: Transcript) -> None:
    options = FormatOptions(max_line_width=3, max_line_count=1)
    texts = [text for _, _, text in read_srt(format_transcript(greeting, "srt", options))]
    assert texts == ["HELLO", "THERE", "GOOD", "DAY"]


def test_width_is_what_is_seen(arabic: Transcript) -> None:
    # Nine and six code points, of which five and three letters take a column.
    options = FormatOptions(max_line_width=9)
    assert "\n" not in read_srt(format_transcript(arabic, "srt", options))[0][2]
    options = FormatOptions(max_line_width=8)
    assert read_srt(format_transcript(arabic, "srt", options))[0][2].count("\n") == 1


def test_overlapping_segments_give_cues_in_turn() -> None:
    first, second = [Word("A", 0.0, 1.5)], [Word("B", 1.0, 2.0)]
    content = format_transcript(transcript(first, second), "srt")
    assert read_srt(content) == [(0, 1000, "A"), (1000, 2000, "B")]
