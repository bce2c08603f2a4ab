"""What an analysis returns."""

from dataclasses import dataclass

from wav2vec2_conformer.inference.classification import Classification
from wav2vec2_conformer.inference.diarization import Diarization
from wav2vec2_conformer.inference.speaker_words import SpokenSegment
from wav2vec2_conformer.inference.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was said in one recording, by whom, and what kind of recording it is.

    Attributes:
        source: Name of the recording: its path, `stdin`, `<bytes>` or `<array>`.
        duration_s: Length of the recording in seconds.
        transcript: What was said.
        diarization: Who speaks when; None where nobody asked.
        classification: Labels of the recording; None where nobody asked.
        spoken: Who said what (`speaker_words`); without a diarization, no speaker has a name.
    """

    source: str
    duration_s: float
    transcript: Transcript
    diarization: Diarization | None
    classification: Classification | None
    spoken: tuple[SpokenSegment, ...]
