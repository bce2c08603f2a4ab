"""Tokens to words with their frames."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WordSpan:
    """A word and the frames from its first token to its last.

    Attributes:
        text: The word.
        start_frame: First frame of the first token.
        end_frame: The frame after the last token's last one.
    """

    text: str
    start_frame: int
    end_frame: int


def group_words(
    tokens: Iterable[str],
    start_frames: Iterable[int],
    end_frames: Iterable[int],
    *,
    delimiter: str = "|",
) -> list[WordSpan]:
    """Join tokens to words.

    Args:
        tokens: Text of each token, special tokens left out.
        start_frames: First frame of each token.
        end_frames: The frame after each token's last one.
        delimiter: The token between words. Several in a row, or at the ends, make no empty
            word. A vocabulary without it makes one word of everything.

    Returns:
        Words in order of time.
    """
    words: list[WordSpan] = []
    is_open = False
    for token, start, end in zip(tokens, start_frames, end_frames, strict=True):
        if token == delimiter:
            is_open = False
        elif is_open:
            words[-1] = WordSpan(words[-1].text + token, words[-1].start_frame, int(end))
        else:
            words.append(WordSpan(token, int(start), int(end)))
            is_open = True
    return words
