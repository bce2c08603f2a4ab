"""How a result is written."""

from dataclasses import dataclass

from wav2vec2_conformer.errors import InputError


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """How a result is written. A format ignores what it has no use for.

    Attributes:
        max_line_width: Widest line of a subtitle, in columns of a terminal: a combining mark
            has none, a Chinese character two. Words stay whole, so a longer word has a line
            of its own. None breaks no line.
        max_line_count: Most lines of a subtitle; a segment with more becomes several. Needs
            `max_line_width`. None makes each segment one subtitle.
        words: Word by word: srt and tsv get one entry a word, vtt the time of each word
            inside the text.
        characters: The times of characters too, in json, jsonl and textgrid.
        language: Code of the language for json and jsonl, such as `en`.
        utterance: Name of the recording in ctm; None for the source's name without folder
            and ending.

    Raises:
        InputError: When a limit is below 1, or lines are counted but not broken.
    """

    max_line_width: int | None = None
    max_line_count: int | None = None
    words: bool = False
    characters: bool = False
    language: str | None = None
    utterance: str | None = None

    def __post_init__(self) -> None:
        """Check the limits."""
        for name in ("max_line_width", "max_line_count"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be 1 or more, but is {value}.")
        if self.max_line_count is not None and self.max_line_width is None:
            raise InputError("max_line_count needs max_line_width, which says where lines end.")
