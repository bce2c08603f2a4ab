"""What a result must have to be written: text with times."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.transcript import Segment, Word


class TimedText(Protocol):
    """A transcript, an alignment, or anything else with timed words.

    A result may also have `alternatives`, the best transcripts of a beam search.
    """

    @property
    def source(self) -> str:
        """Name of the input, mostly its path."""

    @property
    def text(self) -> str:
        """All that was said."""

    @property
    def duration_s(self) -> float:
        """Length of the audio in seconds."""

    @property
    def words(self) -> Sequence["Word"]:
        """The words, in order of time."""

    @property
    def segments(self) -> Sequence["Segment"]:
        """The same words in pieces; may be empty although there are words."""


def timed_segments(result: TimedText) -> Sequence["Segment"]:
    """Return a result's segments; where it has none, one with all its words."""
    if result.segments or not result.words:
        return result.segments
    # Only now: it brings torch, and the command line reads this module for its help.
    from wav2vec2_conformer.inference.transcript import Segment  # noqa: PLC0415

    words = tuple(result.words)
    return (Segment(result.text, words[0].start_s, words[-1].end_s, words),)


def one_line(text: str) -> str:
    """Return text with each run of white space, line ends included, as one space."""
    return " ".join(text.split())
