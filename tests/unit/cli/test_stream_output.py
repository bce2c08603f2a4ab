import io
import re

from rich.console import Console

from wav2vec2_conformer.cli.stream_output import live_lines
from wav2vec2_conformer.inference.stream_events import FinalSegment, FinalWords, Partial
from wav2vec2_conformer.inference.transcript import Segment, Word

WORD = Word("ALPHA", 0.0, 0.5)
SEGMENT = FinalSegment(Segment("ALPHA [BETA]", 0.0, 1.0, (WORD,)), 2.0)


def partial(final: str, changing: str) -> Partial:
    return Partial(final, changing, 0.0, 1.0, 1.0)


def shown(*events: Partial | FinalWords | FinalSegment, width: int = 20) -> str:
    """Return all that is sent to a terminal."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, color_system=None)
    with live_lines(console) as show:
        for event in events:
            show(event)
    return file.getvalue()


def test_a_partial_takes_the_place_of_the_one_before() -> None:
    out = shown(partial("ALPHA", "BE"), partial("ALPHA", "BETA"))
    assert "ALPHA BE\r\x1b[2KALPHA BETA" in out
    assert out.endswith("\x1b[2K")  # nothing stays of it


def test_a_segment_stays_as_a_line_and_takes_its_partial_away() -> None:
    out = shown(partial("ALPHA", "BETA"), FinalWords((WORD,), 1.0), SEGMENT, partial("", "G"))
    assert "\x1b[2KALPHA [BETA]\n" in out
    assert "ALPHA BETA" not in out.split("ALPHA [BETA]\n")[1]
    assert "\x1b[2KG" in out.split("ALPHA [BETA]\n")[1]


def test_of_a_long_partial_the_end_is_shown() -> None:
    out = shown(partial("ALPHA BETA GAMMA DELTA", "EPSILON"), width=20)
    assert "…GAMMA DELTA EPSILON"[-18:] in out
    assert "ALPHA" not in out
    lines = re.split(r"\x1b\[[?0-9]*[a-zA-Z]|[\r\n]", out)
    assert {len(line) for line in lines if "EPSILON" in line} == {19}


def test_wide_characters_count_twice() -> None:
    out = shown(partial("", "語" * 30), width=21)
    assert "…" + "語" * 9 in out
    assert "語" * 10 not in out
