"""Log-probabilities to words, segments and confidences, block after block.

Shapes used in this file:
    T  frames
    V  vocabulary
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.decoding.confidence import word_confidences
from wav2vec2_conformer.decoding.emission_history import EmissionHistory
from wav2vec2_conformer.decoding.greedy import GreedyDecoder, TokenSpans
from wav2vec2_conformer.decoding.prefix_beam import PrefixBeamSearch
from wav2vec2_conformer.decoding.words import group_words
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.decoding_options import DecodingOptions
from wav2vec2_conformer.inference.segments import split_segments
from wav2vec2_conformer.inference.transcript import Alternative, Character, Segment, Word

__all__ = ["CtcDecoder", "Decoded", "DecodingOptions", "DecodingSession"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was said: the fields of a `Transcript` that come from its log-probabilities.

    Attributes:
        text: The words joined by spaces.
        words: The words with times, confidences and characters.
        segments: The words in pieces between pauses.
        confidence: Mean confidence of the words; 1 where there is none.
        alternatives: The best transcripts, where more than one was asked for.
    """

    text: str
    words: tuple[Word, ...]
    segments: tuple[Segment, ...]
    confidence: float
    alternatives: tuple[Alternative, ...] = ()


class CtcDecoder:
    """Turns the log-probabilities of a CTC model into words.

    Args:
        tokens: Text of each token of the vocabulary; None where a number has no token.
        blank_id: Number of the CTC blank.
        delimiter: The token between words.
        special_ids: Tokens that are no text, the delimiter not among them.
        lowers_case: Whether the tokenizer lowers the case of what it decodes.
        frame_s: Seconds from one frame to the next.
        options: How to decode; None for the best token of each frame.

    Raises:
        InputError: When an option is out of range; when a hot word cannot be spelled with the
            tokens, or the language model knows no word that can.
    """

    def __init__(
        self,
        tokens: Sequence[str | None],
        *,
        blank_id: int,
        delimiter: str = "|",
        special_ids: Collection[int] = (),
        lowers_case: bool = False,
        frame_s: float,
        options: DecodingOptions | None = None,
    ) -> None:
        self.options = options or DecodingOptions()
        self.blank_id = blank_id
        self._delimiter = delimiter.lower() if lowers_case else delimiter
        self._frame_s = frame_s
        # Tokens that are no text have none here: they are dropped, whatever the search.
        self._texts = [
            ""
            if token is None or number == blank_id or number in special_ids
            else (token.lower() if lowers_case else token)
            for number, token in enumerate(tokens)
        ]
        self._search = self._build_search()

    def start(self) -> "DecodingSession":
        """Start an utterance. Sessions do not touch each other."""
        history = EmissionHistory(
            blank_id=self.blank_id,
            silent_ids=[number for number, text in enumerate(self._texts) if not text],
            delimiter_id=(
                self._texts.index(self._delimiter) if self._delimiter in self._texts else None
            ),
        )
        return DecodingSession(self, self._search, history)

    def read(
        self, spans: TokenSpans, history: EmissionHistory, duration_s: float
    ) -> tuple[Word, ...]:
        """Return the words of a reading of an utterance.

        Args:
            spans: Tokens and their frames.
            history: The utterance's log-probabilities.
            duration_s: Length of the audio in seconds; no time is later.
        """
        is_text = np.array([bool(self._texts[token]) for token in spans.token_ids], dtype=bool)
        token_ids = spans.token_ids[is_text].tolist()
        starts = spans.start_frames[is_text].tolist()
        ends = spans.end_frames[is_text].tolist()
        texts = [self._texts[token] for token in token_ids]
        words = group_words(texts, starts, ends, delimiter=self._delimiter)
        confidences = word_confidences(
            history,
            words,
            token_ids,
            starts,
            blank_id=self.blank_id,
            per_token=self.options.language_model is not None,
        )

        def seconds(frame: int) -> float:
            # An adapter's last frame reaches beyond the audio.
            return round(min(frame * self._frame_s, duration_s), 3)

        return tuple(
            Word(
                word.text,
                seconds(word.start_frame),
                seconds(word.end_frame),
                confidence=confidence,
                characters=tuple(
                    Character(texts[i], seconds(starts[i]), seconds(ends[i]))
                    for i in range(word.first_token, word.end_token)
                ),
            )
            for word, confidence in zip(words, confidences, strict=True)
        )

    def _build_search(self) -> PrefixBeamSearch | None:
        options = self.options
        if options.search_width is None:
            return None
        letters = {text for text in self._texts if text and text != self._delimiter}
        model = options.language_model
        if model is not None and not any(model.has_prefix(text) for text in letters):
            raise InputError(
                "the language model knows no word that begins with a token of the vocabulary "
                f"({', '.join(sorted(letters)[:5])}, ...). Build it from text in the same script "
                "and case."
            )
        return PrefixBeamSearch(
            self._texts,
            blank_id=self.blank_id,
            delimiter=self._delimiter,
            beam_width=options.search_width,
            language_model=model,
            alpha=options.alpha,
            beta=options.beta,
            unknown_word_score=options.unknown_word_score,
            hot_words=options.weigh_hot_words(letters),
        )


class DecodingSession:
    """Decodes one utterance; made by `CtcDecoder.start`.

    Args:
        decoder: Knows the vocabulary and the options.
        search: The beam search; None for the best token of each frame.
        history: An empty one.
    """

    def __init__(
        self, decoder: CtcDecoder, search: PrefixBeamSearch | None, history: EmissionHistory
    ) -> None:
        self._decoder = decoder
        self._history = history
        self._greedy = GreedyDecoder(blank_id=decoder.blank_id)
        self._search = search
        self._state = search.start(decoder.options.num_best) if search else None

    def feed(self, log_probs: NDArray[np.float32]) -> None:
        """Decode the next frames. The sizes of the blocks do not change the result.

        Args:
            log_probs: Natural log-probabilities of shape (T, V), padding removed.

        Raises:
            InputError: When the shape is wrong, or values are no log-probabilities.
        """
        if self._search is None or self._state is None:
            self._greedy.advance(log_probs)
        else:
            self._search.advance(self._state, log_probs)
        self._history.append(log_probs)

    def finish(self, duration_s: float) -> Decoded:
        """Return what was said so far. The session stays as it is and may be fed more.

        Args:
            duration_s: Length of the audio in seconds; no time is later.
        """
        options = self._decoder.options
        alternatives: tuple[Alternative, ...] = ()
        if self._search is None or self._state is None:
            words = self._decoder.read(self._greedy.finish(), self._history, duration_s)
        else:
            found: dict[str, Alternative] = {}
            for hypothesis in self._search.finish(self._state, options.num_best):
                words = self._decoder.read(hypothesis.spans, self._history, duration_s)
                text = " ".join(word.text for word in words)
                # Tokens that differ in case alone may spell the same text.
                found.setdefault(text, Alternative(text, hypothesis.score, words))
            alternatives = tuple(found.values())
            words = alternatives[0].words
        return Decoded(
            text=" ".join(word.text for word in words),
            words=words,
            segments=split_segments(words, **options.segment_limits),
            confidence=float(np.mean([word.confidence for word in words])) if words else 1.0,
            alternatives=alternatives if options.num_best > 1 else (),
        )
