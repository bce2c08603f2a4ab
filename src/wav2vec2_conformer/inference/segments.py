"""Words to segments: pieces between pauses, short enough for a subtitle."""

from collections.abc import Sequence

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.transcript import Segment, Word


def split_segments(
    words: Sequence[Word],
    *,
    pause_s: float = 0.6,
    max_duration_s: float = 7.0,
    max_characters: int = 84,
) -> tuple[Segment, ...]:
    """Split words at pauses, and what is then too long at the widest pause in its middle.

    Args:
        words: Words in order of time.
        pause_s: Silence between two words, in seconds, that ends a segment.
        max_duration_s: Longest segment; the default is what guides for subtitles allow.
        max_characters: Longest text, spaces counted; the default is two lines of 42.

    Returns:
        Segments in order of time, all words in them. Only a segment of a single word may be
        longer than the limits.

    Raises:
        InputError: When a limit is not positive.
    """
    if not pause_s > 0 or not max_duration_s > 0 or not max_characters > 0:
        raise InputError(
            "the limits of segments must be positive, but pause_s is "
            f"{pause_s:g}, max_duration_s {max_duration_s:g}, max_characters {max_characters}."
        )
    segments: list[Segment] = []
    first = 0
    for end in range(1, len(words) + 1):
        if end == len(words) or _gap_s(words, end) >= pause_s:
            pieces = _split_long(words[first:end], max_duration_s, max_characters)
            segments.extend(join_words(piece) for piece in pieces)
            first = end
    return tuple(segments)


def join_words(words: Sequence[Word]) -> Segment:
    """Return the segment of one or more words."""
    text = " ".join(word.text for word in words)
    return Segment(text, words[0].start_s, words[-1].end_s, tuple(words))


def _gap_s(words: Sequence[Word], position: int) -> float:
    """Return the silence before a word that is not the first."""
    return words[position].start_s - words[position - 1].end_s


def _split_long(
    words: Sequence[Word], max_duration_s: float, max_characters: int
) -> list[Sequence[Word]]:
    """Halve words until each piece keeps to the limits."""
    num_characters = sum(len(word.text) + 1 for word in words) - 1
    duration_s = words[-1].end_s - words[0].start_s
    if len(words) == 1 or (duration_s <= max_duration_s and num_characters <= max_characters):
        return [words]
    # Not anywhere: a pause after the first word would leave it alone on the screen.
    quarter = len(words) // 4
    middle = range(max(1, quarter), min(len(words), len(words) - quarter + 1))
    split = max(middle, key=lambda i: (_gap_s(words, i), -abs(2 * i - len(words))))
    return [
        *_split_long(words[:split], max_duration_s, max_characters),
        *_split_long(words[split:], max_duration_s, max_characters),
    ]
