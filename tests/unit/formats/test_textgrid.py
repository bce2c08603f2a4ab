"""TextGrid, read back by praatio."""

import re
from typing import Any

import pytest
from praatio.utilities.textgrid_io import parseTextgridStr

from wav2vec2_conformer.formats import FormatOptions, format_transcript
from wav2vec2_conformer.inference.transcript import Transcript, Word

from .conftest import transcript


def read_textgrid(content: str) -> tuple[float, dict[str, list[tuple[float, float, str]]]]:
    """Return the end and the intervals of each tier, those without text too."""
    grid: dict[str, Any] = parseTextgridStr(content, includeEmptyIntervals=True)
    assert grid["xmin"] == 0
    tiers = {}
    for tier in grid["tiers"]:
        assert (tier["xmin"], tier["xmax"]) == (0, grid["xmax"])
        intervals = [(float(start), float(end), text) for start, end, text in tier["entries"]]
        # They fill the tier and each has a length.
        edges = [0.0, *(end for _, end, _ in intervals)]
        assert [start for start, _, _ in intervals] == edges[:-1]
        assert edges == sorted(set(edges))
        assert edges[-1] == grid["xmax"]
        tiers[tier["name"]] = intervals
    return grid["xmax"], tiers


def test_tiers_hold_segments_and_words(greeting: Transcript) -> None:
    end_s, tiers = read_textgrid(format_transcript(greeting, "textgrid"))
    assert end_s == 4.0
    assert list(tiers) == ["segments", "words"]
    assert tiers["segments"] == [
        (0.0, 0.1, ""),
        (0.1, 1.04, "HELLO THERE"),
        (1.04, 2.0, ""),
        (2.0, 2.7, "GOOD DAY"),
        (2.7, 4.0, ""),
    ]
    assert [interval for interval in tiers["words"] if interval[2]] == [
        (0.1, 0.5, "HELLO"),
        (0.6, 1.04, "THERE"),
        (2.0, 2.3, "GOOD"),
        (2.42, 2.7, "DAY"),
    ]


def test_the_file_is_praats_long_format(short_word: Transcript) -> None:
    assert format_transcript(short_word, "textgrid").startswith(
        'File type = "ooTextFile"\n'
        'Object class = "TextGrid"\n'
        "\n"
        "xmin = 0\n"
        "xmax = 1\n"
        "tiers? <exists>\n"
        "size = 2\n"
        "item []:\n"
        "    item [1]:\n"
        '        class = "IntervalTier"\n'
        '        name = "segments"\n'
        "        xmin = 0\n"
        "        xmax = 1\n"
        "        intervals: size = 3\n"
        "        intervals [1]:\n"
        "            xmin = 0\n"
        "            xmax = 0.52\n"
        '            text = ""\n'
    )


def test_characters_are_a_tier_when_asked_for(greeting: Transcript) -> None:
    content = format_transcript(greeting, "textgrid", FormatOptions(characters=True))
    _, tiers = read_textgrid(content)
    characters = [text for _, _, text in tiers["characters"] if text]
    assert "".join(characters) == "HELLOTHEREGOODDAY"


def test_a_short_word_is_an_interval(short_word: Transcript) -> None:
    _, tiers = read_textgrid(format_transcript(short_word, "textgrid"))
    assert tiers["words"] == [(0.0, 0.52, ""), (0.52, 0.54, "I"), (0.54, 1.0, "")]


def test_silence_is_one_empty_interval(silence: Transcript) -> None:
    end_s, tiers = read_textgrid(format_transcript(silence, "textgrid"))
    assert tiers == {"segments": [(0.0, end_s, "")], "words": [(0.0, end_s, "")]}


def test_no_audio_at_all_still_is_a_grid() -> None:
    nothing = Transcript(source="a", text="", words=(), duration_s=0.0)
    end_s, _ = read_textgrid(format_transcript(nothing, "textgrid"))
    assert end_s == 0.001


@pytest.mark.parametrize("text", ['"', 'say "A"', '""', "a = b", "مَرْحَبًا", "\\n"])
def test_any_text_is_a_label(text: str) -> None:
    _, tiers = read_textgrid(format_transcript(transcript([Word(text, 0.0, 0.5)]), "textgrid"))
    assert tiers["words"][0] == (0.0, 0.5, text)


def test_quotes_are_doubled() -> None:
    content = format_transcript(transcript([Word('"A"', 0.0, 0.5)]), "textgrid")
    assert re.findall(r"text = (.*)", content)[0] == '"""A"""'


def test_the_grid_reaches_a_word_that_ends_after_the_audio() -> None:
    result = transcript([Word("A", 0.9, 1.02)], duration_s=1.0)
    end_s, tiers = read_textgrid(format_transcript(result, "textgrid"))
    assert end_s == 1.02
    assert tiers["words"][-1] == (0.9, 1.02, "A")
