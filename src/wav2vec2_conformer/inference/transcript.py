"""What a transcription returns."""

from dataclasses import dataclass

from wav2vec2_conformer.errors import Wav2Vec2ConformerError


@dataclass(frozen=True, slots=True)
class Character:
    """A token of the vocabulary, mostly one character, and when the model heard it.

    Attributes:
        text: The token's text.
        start_s: Seconds from the start of the audio.
        end_s: Seconds from the start of the audio, later than `start_s`.
    """

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Word:
    """A word and when it was said.

    CTC emits a token in few frames, so a word starts with its first token's first frame and
    ends with its last token's last one: a little inside the word that is heard.

    Attributes:
        text: The word.
        start_s: Seconds from the start of the audio.
        end_s: Seconds from the start of the audio, later than `start_s`.
        confidence: How sure the model is, from 0 to 1 (`decoding.confidence`).
        characters: The word's tokens with their times.
        is_aligned: False where no frame of the audio speaks for the word, so that its times
            lie between its neighbours' (forced alignment alone).
    """

    text: str
    start_s: float
    end_s: float
    confidence: float = 1.0
    characters: tuple[Character, ...] = ()
    is_aligned: bool = True


@dataclass(frozen=True, slots=True)
class Segment:
    """Words without a long pause between them: a line of subtitles, a line of a given text.

    Attributes:
        text: The words joined by spaces, or a line as it was given.
        start_s: Start of the first word.
        end_s: End of the last word.
        words: The words.
    """

    text: str
    start_s: float
    end_s: float
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of the best transcripts of a beam search.

    Attributes:
        text: The words joined by spaces.
        score: What the search ranks by: log-probability of the audio model, and of the
            language model and hot words where there are any. Natural logarithm.
        words: The words with their times.
    """

    text: str
    score: float
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in one input.

    Attributes:
        source: Name of the input: its path, `stdin`, `<bytes>` or `<array>`.
        text: The words joined by spaces; empty when nothing was said.
        words: The words with their times.
        duration_s: Length of the audio in seconds.
        segments: The words in pieces between pauses.
        confidence: Mean confidence of the words; 1 where there is none.
        alternatives: The best transcripts of a beam search, this one first; empty when one
            was asked for.
    """

    source: str
    text: str
    words: tuple[Word, ...]
    duration_s: float
    segments: tuple[Segment, ...] = ()
    confidence: float = 1.0
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be transcribed.

    Attributes:
        source: Name of the input, as in `Transcript`.
        error: Why.
    """

    source: str
    error: Wav2Vec2ConformerError
