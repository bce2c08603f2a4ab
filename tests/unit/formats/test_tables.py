"""Tab-separated rows."""

import csv
import io

from wav2vec2_conformer.formats import FormatOptions, format_transcript
from wav2vec2_conformer.inference.transcript import Transcript, Word

from .conftest import transcript


def rows(content: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content), delimiter="\t", quoting=csv.QUOTE_NONE))


def test_a_row_is_a_segment(greeting: Transcript) -> None:
    assert format_transcript(greeting, "tsv") == (
        "start\tend\ttext\n100\t1040\tHELLO THERE\n2000\t2700\tGOOD DAY\n"
    )


def test_words_make_a_row_a_word(greeting: Transcript) -> None:
    content = format_transcript(greeting, "tsv", FormatOptions(words=True))
    assert rows(content)[1:3] == [["100", "500", "HELLO"], ["600", "1040", "THERE"]]
    assert len(rows(content)) == 5


def test_silence_is_a_header(silence: Transcript) -> None:
    assert rows(format_transcript(silence, "tsv")) == [["start", "end", "text"]]


def test_tabs_and_line_ends_make_no_column() -> None:
    result = transcript([Word('say\t"A"\n', 0.0, 0.5)])
    assert rows(format_transcript(result, "tsv"))[1:] == [["0", "500", 'say "A"']]


def test_right_to_left_text_stays_as_it_is(arabic: Transcript) -> None:
    assert rows(format_transcript(arabic, "tsv"))[1][2] == arabic.text
