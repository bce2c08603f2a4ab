"""Text without times."""

from wav2vec2_conformer.formats import format_transcript
from wav2vec2_conformer.inference.transcript import Transcript


def test_the_text_is_one_line(greeting: Transcript, silence: Transcript) -> None:
    assert format_transcript(greeting, "txt") == "HELLO THERE GOOD DAY\n"
    assert format_transcript(silence, "txt") == "\n"


def test_alternatives_are_further_lines(with_alternatives: Transcript) -> None:
    assert format_transcript(with_alternatives, "txt") == "HELLO\nHALLO\n"
