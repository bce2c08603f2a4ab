"""The path of a forced alignment to words, characters and segments with times.

Shapes used in this file:
    T  frames
    U  tokens of the text
"""

from collections.abc import Callable, Iterator
from itertools import groupby

import numpy as np

from wav2vec2_conformer.decoding.aligned_path import AlignedPath
from wav2vec2_conformer.inference.transcript import Character, Segment, Word
from wav2vec2_conformer.text.spelling import SpelledWord, Spelling


def build_segments(
    spelling: Spelling,
    path: AlignedPath,
    *,
    frame_s: float,
    duration_s: float,
    delimiter: str,
    lowers_case: bool = False,
) -> tuple[Segment, ...]:
    """Return the lines of a text with the times of their words.

    A word without tokens is where the model heard something between its neighbours, or in the
    pause between them.

    Args:
        spelling: The text.
        path: The path through its tokens.
        frame_s: Seconds from one frame to the next.
        duration_s: Length of the audio; no time is later.
        delimiter: The token between words, which is no character of a word.
        lowers_case: Whether characters are to be in lower case.
    """

    def seconds(frame: float) -> float:
        return round(min(frame * frame_s, duration_s), 3)

    builder = _WordBuilder(spelling, path, delimiter, seconds, lowers_case=lowers_case)
    words = iter(
        word
        for gap, group in groupby(spelling.words, key=_gap_of)
        for word in (map(builder.spelled, group) if gap is None else builder.unspelled(gap, group))
    )
    segments = []
    for number, group in groupby(spelling.words, key=lambda word: word.segment):
        parts = tuple(next(words) for _ in group)
        segments.append(
            Segment(spelling.segments[number], parts[0].start_s, parts[-1].end_s, parts)
        )
    return tuple(segments)


def _gap_of(word: SpelledWord) -> int | None:
    """Return the gap that a word without tokens lies in."""
    return None if word.is_spelled else word.first_token


class _WordBuilder:
    """Builds the words of one text."""

    def __init__(
        self,
        spelling: Spelling,
        path: AlignedPath,
        delimiter: str,
        seconds: Callable[[float], float],
        *,
        lowers_case: bool,
    ) -> None:
        self._tokens = spelling.tokens
        self._path = path
        self._delimiter = delimiter
        self._seconds = seconds
        self._lowers_case = lowers_case
        starts, ends = path.token_spans()
        self._starts, self._ends = starts.tolist(), ends.tolist()
        self._confidences = path.token_confidences().tolist()
        self._gap_starts, self._gap_ends = path.gap_spans()

    def spelled(self, word: SpelledWord) -> Word:
        """Return a word that has tokens."""
        numbers = [
            number
            for number in range(word.first_token, word.end_token)
            if self._tokens[number] != self._delimiter
        ]
        num_frames = [self._ends[number] - self._starts[number] for number in numbers]
        weighted = zip((self._confidences[number] for number in numbers), num_frames, strict=True)
        return Word(
            text=word.text,
            start_s=self._seconds(self._starts[numbers[0]]),
            end_s=self._seconds(self._ends[numbers[-1]]),
            confidence=sum(mean * frames for mean, frames in weighted) / sum(num_frames),
            characters=tuple(map(self._character, numbers)),
        )

    def unspelled(self, gap: int, group: Iterator[SpelledWord]) -> Iterator[Word]:
        """Yield the words without tokens that lie in a gap; the longer get more of it."""
        texts = [word.text for word in group]
        start, end = self._frames_of_gap(gap)
        shares = np.cumsum([0, *map(len, texts)]) / sum(map(len, texts))
        bounds = start + shares * (end - start)
        for text, first, last in zip(texts, bounds[:-1], bounds[1:], strict=True):
            yield Word(
                text=text,
                start_s=self._seconds(first),
                end_s=self._seconds(last),
                confidence=0.0,
                is_aligned=False,
            )

    def _character(self, number: int) -> Character:
        token = self._tokens[number]
        return Character(
            token.lower() if self._lowers_case else token,
            self._seconds(self._starts[number]),
            self._seconds(self._ends[number]),
        )

    def _frames_of_gap(self, gap: int) -> tuple[int, int]:
        start, end = int(self._gap_starts[gap]), int(self._gap_ends[gap])
        heard = np.flatnonzero(self._path.is_star[start:end])
        if heard.size:
            return start + int(heard[0]), start + int(heard[-1]) + 1
        # Nothing was heard: all of the pause, the delimiter before it included.
        before = gap - 1
        while before >= 0 and self._tokens[before] == self._delimiter:
            before -= 1
        return (self._ends[before] if before >= 0 else 0), end
