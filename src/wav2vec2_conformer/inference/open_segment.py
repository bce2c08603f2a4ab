"""The part of a stream that is not a finished segment yet: final words, and the open one.

Shapes used in this file:
    T  frames
    V  vocabulary
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.inference.decoder import CtcDecoder
from wav2vec2_conformer.inference.segments import join_words
from wav2vec2_conformer.inference.transcript import Segment, Word


class OpenSegment:
    """Takes committed frames, gives final words and closed segments.

    A word is final when the delimiter after it is committed, or a pause. A decoder that
    searches (beam, language model, hot words) weighs a word by its neighbours: then a pause
    alone makes words final, or the length of a segment. Only frames without final words are
    kept.

    Args:
        decoder: Turns log-probabilities into words; its options say which pause and which
            length end a segment.
        delimiter_id: Number of the token between words; None where the vocabulary has none,
            so that pauses alone end words.
        frame_s: Seconds from one frame to the next.

    Attributes:
        words: Final words of the open segment.
    """

    def __init__(self, decoder: CtcDecoder, *, delimiter_id: int | None, frame_s: float) -> None:
        self.words: list[Word] = []
        self._decoder = decoder
        self._options = decoder.options
        self._delimiter_id = -1 if delimiter_id is None else delimiter_id
        self._frame_s = frame_s
        self._log_probs: NDArray[np.float32] | None = None  # of the open word, (T, V)
        self._start_frame = 0  # the first of them in the stream

    def commit(
        self, log_probs: NDArray[np.float32], *, heard_s: float, is_last: bool = False
    ) -> tuple[tuple[Word, ...], list[Segment]]:
        """Take the next frames.

        Args:
            log_probs: Natural log-probabilities of shape (T, V).
            heard_s: Length of the stream so far; no time is later.
            is_last: Whether the stream ends with them.

        Returns:
            New final words, and the segments that are now closed.
        """
        if self._log_probs is not None:
            log_probs = np.concatenate([self._log_probs, log_probs])
        best = log_probs.argmax(axis=1)
        is_silent = (best == self._decoder.blank_id) | (best == self._delimiter_id)
        pauses = self._find_pauses(is_silent)
        num_final = len(best) if is_last else self._count_final(best, is_silent, pauses)
        # A pause ends a word even where the model hears no delimiter in it.
        ends = [*(int(end) for end in pauses if end < num_final), num_final]
        words = tuple(
            word
            for start, end in zip([0, *ends], ends, strict=False)
            for word in self._read(log_probs[start:end], self._start_frame + start, heard_s)
        )
        self._log_probs = log_probs[num_final:]
        self._start_frame += num_final
        segments = [segment for word in words if (segment := self._append(word)) is not None]
        heard = np.flatnonzero(~is_silent[num_final:])
        num_silent = int(heard[0]) if heard.size else len(self._log_probs)
        silent_until_s = (self._start_frame + num_silent) * self._frame_s
        if self.words and (
            is_last or silent_until_s - self.words[-1].end_s >= self._options.segment_pause_s
        ):
            segments.append(self._close())
        return words, segments

    def finish(self, *, heard_s: float) -> tuple[tuple[Word, ...], list[Segment]]:
        """Return what `commit` returns for the end of the stream: all that is left."""
        if self._log_probs is None:
            return (), []
        return self.commit(self._log_probs[:0], heard_s=heard_s, is_last=True)

    def read_open(self, log_probs: NDArray[np.float32], *, heard_s: float) -> tuple[Word, ...]:
        """Return the words after the final ones, as they seem now.

        Args:
            log_probs: Frames after the committed ones, shape (T, V). They are not kept.
            heard_s: As in `commit`.
        """
        if self._log_probs is not None:
            log_probs = np.concatenate([self._log_probs, log_probs])
        return self._read(log_probs, self._start_frame, heard_s)

    def _find_pauses(self, is_silent: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the frames after which a pause is over, or which it has reached so far."""
        edges = np.flatnonzero(np.diff(is_silent, prepend=False, append=False))
        starts, ends = edges[::2], edges[1::2]
        return ends[(ends - starts) * self._frame_s >= self._options.segment_pause_s]

    def _count_final(
        self, best: NDArray[np.int64], is_silent: NDArray[np.bool_], pauses: NDArray[np.int64]
    ) -> int:
        """Return how many frames hold final words and nothing of the word that is open."""
        if is_silent.all():
            return len(best)
        is_long = len(best) * self._frame_s > self._options.max_segment_s
        ends = pauses
        if is_long or self._options.search_width is None:
            ends = np.union1d(pauses, np.flatnonzero(best == self._delimiter_id) + 1)
        if ends.size or not is_long:
            return int(ends[-1]) if ends.size else 0
        # Speech without words, or a language that writes none: cut between two tokens.
        ends = np.flatnonzero(is_silent) + 1
        return int(ends[-1]) if ends.size else len(best)

    def _read(
        self, log_probs: NDArray[np.float32], start_frame: int, heard_s: float
    ) -> tuple[Word, ...]:
        """Return the words in frames of the stream from a first one on."""
        if not len(log_probs):
            return ()
        start_s = start_frame * self._frame_s
        session = self._decoder.start()
        session.feed(log_probs)
        return tuple(
            _shift(word, start_s) for word in session.finish(max(0.0, heard_s - start_s)).words
        )

    def _append(self, word: Word) -> Segment | None:
        """Add a final word; return the segment that it does not belong to any more."""
        closed = None
        if self.words and self._is_break(self.words, word):
            closed = self._close()
        self.words.append(word)
        return closed

    def _is_break(self, words: Sequence[Word], word: Word) -> bool:
        num_characters = sum(len(each.text) + 1 for each in words) + len(word.text)
        return (
            word.start_s - words[-1].end_s >= self._options.segment_pause_s
            or word.end_s - words[0].start_s > self._options.max_segment_s
            or num_characters > self._options.max_segment_characters
        )

    def _close(self) -> Segment:
        segment = join_words(self.words)
        self.words = []
        return segment


def _shift(word: Word, seconds: float) -> Word:
    """Return a word so much later, times to the millisecond."""
    return replace(
        word,
        start_s=round(word.start_s + seconds, 3),
        end_s=round(word.end_s + seconds, 3),
        characters=tuple(
            replace(
                character,
                start_s=round(character.start_s + seconds, 3),
                end_s=round(character.end_s + seconds, 3),
            )
            for character in word.characters
        ),
    )
