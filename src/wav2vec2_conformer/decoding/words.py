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
        first_token: Position of its first token among the tokens that were given.
        end_token: The position after its last one.
    """

    text: str
    start_frame: int
    end_frame: int
    first_token: int
    end_token: int


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
    texts: list[str] = []
    first_token = start_frame = end_frame = 0

    def close() -> None:
        if texts:
            words.append(
                WordSpan(
                    "".join(texts), start_frame, end_frame, first_token, first_token + len(texts)
                )
            )
            texts.clear()

    for position, (token, start, end) in enumerate(
        zip(tokens, start_frames, end_frames, strict=True)
    ):
        if token == delimiter:
            close()
            continue
        if not texts:
            first_token, start_frame = position, int(start)
        texts.append(token)
        end_frame = int(end)
    close()
    return words
