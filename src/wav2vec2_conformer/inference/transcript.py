"""What a transcription returns."""

from dataclasses import dataclass

from wav2vec2_conformer.errors import Wav2Vec2ConformerError


@dataclass(frozen=True, slots=True)
class Word:
    """A word and when it was said.

    CTC emits a token in few frames, so a word starts with its first token's first frame and
    ends with its last token's last one: a little inside the word that is heard.

    Attributes:
        text: The word.
        start_s: Seconds from the start of the audio.
        end_s: Seconds from the start of the audio, later than `start_s`.
    """

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in one input.

    Attributes:
        source: Name of the input: its path, `stdin`, `<bytes>` or `<array>`.
        text: The words joined by spaces; empty when nothing was said.
        words: The words with their times.
        duration_s: Length of the audio in seconds.
    """

    source: str
    text: str
    words: tuple[Word, ...]
    duration_s: float


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be transcribed.

    Attributes:
        source: Name of the input, as in `Transcript`.
        error: Why.
    """

    source: str
    error: Wav2Vec2ConformerError
