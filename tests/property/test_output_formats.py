"""Whatever is said whenever comes back from readers that others wrote."""

import html
import itertools

import pysubs2
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st
from praatio.utilities.textgrid_io import parseTextgridStr
from rich.cells import cell_len

from wav2vec2_conformer.formats import FormatOptions, format_transcript
from wav2vec2_conformer.inference.transcript import Segment, Transcript, Word

# No control characters; and letters at the end, so that no parser takes a text for a number.
texts = st.text(
    st.characters(exclude_categories=["C", "Z"]) | st.sampled_from("<>&\"'->,.:123"),
    max_size=6,
).map(lambda text: f"{text}x")
any_time_s = st.floats(-1.0, 20_000.0)
sizes = st.lists(st.integers(1, 4), min_size=1, max_size=5)


@st.composite
def transcripts(draw: st.DrawFn, *, in_order: bool) -> Transcript:
    """Words of any text in segments of one to four words.

    In order, words last a millisecond or more and start when the last has ended or later;
    else their times are any at all.
    """
    segments = []
    time_s = 0.0
    for size in draw(sizes):
        words = []
        for _ in range(size):
            if in_order:
                start_s = time_s + draw(st.floats(0.0, 400.0))
                end_s = time_s = start_s + draw(st.floats(0.001, 400.0))
            else:
                start_s, end_s = draw(any_time_s), draw(any_time_s)
            words.append(Word(draw(texts), start_s, end_s))
        text = " ".join(word.text for word in words)
        segments.append(Segment(text, words[0].start_s, words[-1].end_s, tuple(words)))
    return Transcript(
        source="a.wav",
        text=" ".join(segment.text for segment in segments),
        words=tuple(word for segment in segments for word in segment.words),
        duration_s=time_s,
        segments=tuple(segments),
    )


options = st.builds(
    lambda words, width, count: FormatOptions(
        words=words, max_line_width=width, max_line_count=count if width else None
    ),
    st.booleans(),
    st.none() | st.integers(1, 30),
    st.none() | st.integers(1, 3),
)

Cues = list[tuple[int, int, str]]


def read_srt(content: str) -> Cues:
    subtitles = pysubs2.SSAFile.from_string(content, format_="srt", keep_html_tags=True)
    return [(cue.start, cue.end, cue.text.replace(r"\N", " ")) for cue in subtitles]


def read_vtt(content: str) -> Cues:
    return [
        (
            cue.start_time.in_milliseconds(),
            cue.end_time.in_milliseconds(),
            html.unescape(cue.text.replace("\n", " ")),
        )
        for cue in webvtt.from_string(content, strict=True)
    ]


def read_words_of_textgrid(content: str) -> Cues:
    tier = parseTextgridStr(content)["tiers"][1]
    return [
        (round(float(start) * 1000), round(float(end) * 1000), text)
        for start, end, text in tier["entries"]
    ]


def check_order(cues: Cues) -> None:
    assert all(start < end for start, end, _ in cues)
    assert all(last[1] <= cue[0] for last, cue in itertools.pairwise(cues))


def check_times(cues: Cues, transcript: Transcript) -> None:
    """Check that each cue starts and ends with words, to the millisecond."""
    first = 0
    for start_ms, end_ms, text in cues:
        words = transcript.words[first : first + len(text.split(" "))]
        first += len(words)
        assert abs(start_ms - words[0].start_s * 1000) <= 1
        assert abs(end_ms - words[-1].end_s * 1000) <= 1
    assert first == len(transcript.words)


@settings(deadline=None)
@given(transcripts(in_order=True), options)
def test_subtitles_keep_words_and_times(transcript: Transcript, options: FormatOptions) -> None:
    said = transcript.text
    cues = read_vtt(format_transcript(transcript, "vtt", options))
    assert " ".join(text for _, _, text in cues) == said
    check_order(cues)
    check_times(cues, transcript)
    cues = read_srt(format_transcript(transcript, "srt", options))
    assert " ".join(text for _, _, text in cues) == said.replace("-->", "->")
    check_order(cues)
    check_times(cues, transcript)


@settings(deadline=None)
@given(transcripts(in_order=False), options)
def test_any_times_give_cues_in_turn(transcript: Transcript, options: FormatOptions) -> None:
    for name, read in {"srt": read_srt, "vtt": read_vtt}.items():
        cues = read(format_transcript(transcript, name, options))
        check_order(cues)
        assert " ".join(text for _, _, text in cues).count("x") == transcript.text.count("x")


@settings(deadline=None)
@given(transcripts(in_order=True))
def test_a_textgrid_keeps_words_and_times(transcript: Transcript) -> None:
    intervals = read_words_of_textgrid(format_transcript(transcript, "textgrid"))
    assert [text for _, _, text in intervals] == [word.text for word in transcript.words]
    check_order(intervals)
    check_times(intervals, transcript)


@settings(deadline=None)
@given(transcripts(in_order=False))
def test_any_times_give_a_textgrid(transcript: Transcript) -> None:
    intervals = read_words_of_textgrid(format_transcript(transcript, "textgrid"))
    assert [text for _, _, text in intervals] == [word.text for word in transcript.words]
    check_order(intervals)


@settings(deadline=None)
@given(transcripts(in_order=True))
def test_a_ctm_keeps_words_and_times(transcript: Transcript) -> None:
    lines = format_transcript(transcript, "ctm").splitlines()
    for line, word in zip(lines, transcript.words, strict=True):
        name, channel, start_s, duration_s, text, _ = line.split(" ")
        assert (name, channel, text) == ("a", "1", word.text)
        assert abs(float(start_s) - word.start_s) <= 0.0011
        assert abs(float(start_s) + float(duration_s) - word.end_s) <= 0.0011


@settings(deadline=None)
@given(transcripts(in_order=True), st.integers(1, 30), st.integers(1, 3))
def test_every_cue_fits(transcript: Transcript, width: int, count: int) -> None:
    options = FormatOptions(max_line_width=width, max_line_count=count)
    content = format_transcript(transcript, "vtt", options)
    for cue in webvtt.from_string(content):
        lines = html.unescape(cue.text).split("\n")
        assert len(lines) <= count
        assert all(" " not in line or cell_len(line) <= width for line in lines)
