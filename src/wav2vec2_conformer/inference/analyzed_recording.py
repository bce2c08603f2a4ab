"""One recording on its way through several heads.

Shapes used in this file:
    L  samples
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import Wav2Vec2ConformerError
from wav2vec2_conformer.inference.analysis import Analysis
from wav2vec2_conformer.inference.classified_recording import ClassifiedRecording
from wav2vec2_conformer.inference.decoded_recording import DecodedRecording
from wav2vec2_conformer.inference.diarized_recording import DiarizedRecording
from wav2vec2_conformer.inference.speaker_words import assign_speakers
from wav2vec2_conformer.inference.transcript import Failure
from wav2vec2_conformer.inference.windows import Window


@dataclass(frozen=True, slots=True, eq=False)
class PassWindow:
    """A window and the pass that it goes through.

    Attributes:
        pass_number: Position of the pass among the analyzer's.
        window: What the encoder is to see.
    """

    pass_number: int
    window: Window

    @property
    def samples(self) -> NDArray[np.float32]:
        """Shape (L,)."""
        return self.window.samples


class AnalyzedRecording:
    """Gathers what the heads say of a recording.

    Args:
        name: What to call it in messages and results.
        decoded: Becomes the transcript.
        diarized: Becomes the turns; None for none.
        classified: Becomes the labels; None for none.
    """

    def __init__(
        self,
        name: str,
        decoded: DecodedRecording,
        diarized: DiarizedRecording | None,
        classified: ClassifiedRecording | None,
    ) -> None:
        self.decoded = decoded
        self.diarized = diarized
        self.classified = classified
        self._name = name
        self._duration_s = 0.0
        self._error: Wav2Vec2ConformerError | None = None

    @property
    def duration_s(self) -> float:
        """Length of the recording; to be set before the end."""
        return self._duration_s

    @duration_s.setter
    def duration_s(self, value: float) -> None:
        self._duration_s = value
        for part in (self.decoded, self.diarized, self.classified):
            if part is not None:
                part.duration_s = value

    @property
    def error(self) -> Wav2Vec2ConformerError | None:
        """Why there is no result."""
        return self._error

    @error.setter
    def error(self, value: Wav2Vec2ConformerError | None) -> None:
        self._error = value

    def finish(self, top_k: int | None) -> Analysis | Failure:
        """Return the result when all windows have come; what one head lacks fails them all.

        Args:
            top_k: Labels to keep, the most probable ones; None for all.
        """
        if self._error is not None:
            return Failure(self._name, self._error)
        transcript = self.decoded.finish()
        if isinstance(transcript, Failure):
            return transcript
        diarization = None if self.diarized is None else self.diarized.finish()
        if isinstance(diarization, Failure):
            return diarization
        classification = None if self.classified is None else self.classified.finish(top_k)
        if isinstance(classification, Failure):
            return classification
        return Analysis(
            source=self._name,
            duration_s=self._duration_s,
            transcript=transcript,
            diarization=diarization,
            classification=classification,
            spoken=assign_speakers(
                transcript.words, () if diarization is None else diarization.turns
            ),
        )


def iter_pass_windows(
    windows_of: Iterable[Iterable[Window]],
) -> Iterator[PassWindow]:
    """Yield the windows of a recording for one pass after another."""
    for number, windows in enumerate(windows_of):
        for window in windows:
            yield PassWindow(number, window)
