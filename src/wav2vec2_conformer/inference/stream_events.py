"""What a streaming session tells while it listens."""

from dataclasses import dataclass

from wav2vec2_conformer.inference.transcript import Segment, Word


@dataclass(frozen=True, slots=True)
class Partial:
    """The open segment as it is heard now. Takes the place of the partial before it.

    Attributes:
        final_text: The segment's final words, which stay.
        changing_text: The words after them, which may change; the last is often cut off.
        start_s: Start of the first word; where there is none, `heard_s`.
        end_s: End of the last word, as it is heard now.
        heard_s: Seconds of audio that had arrived.
    """

    final_text: str
    changing_text: str
    start_s: float
    end_s: float
    heard_s: float

    @property
    def text(self) -> str:
        """Both parts, joined by a space."""
        return " ".join(filter(None, (self.final_text, self.changing_text)))


@dataclass(frozen=True, slots=True)
class FinalWords:
    """Words that never change again.

    Attributes:
        words: One or more words that follow all final words before them. Times are seconds
            from the start of the stream.
        heard_s: Seconds of audio that had arrived.
    """

    words: tuple[Word, ...]
    heard_s: float


@dataclass(frozen=True, slots=True)
class FinalSegment:
    """A segment that a pause, its length or the end of the stream has closed.

    Attributes:
        segment: Its words, all of them in `FinalWords` events before.
        heard_s: Seconds of audio that had arrived.
    """

    segment: Segment
    heard_s: float


StreamEvent = Partial | FinalWords | FinalSegment
