"""One recording on its way from windows of log-probabilities to its transcript."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio.samples import SampleReader
from wav2vec2_conformer.errors import Wav2Vec2ConformerError
from wav2vec2_conformer.inference.decoder import CtcDecoder
from wav2vec2_conformer.inference.log_prob_reader import LogProbReader
from wav2vec2_conformer.inference.log_probs import check_finite
from wav2vec2_conformer.inference.transcript import Failure, Transcript
from wav2vec2_conformer.inference.windows import Window, iter_windows


class DecodedRecording:
    """Decodes a recording while its windows come out of the model.

    Args:
        name: What to call it in messages and results.
        reader: Cuts recordings and knows the model.
        decoder: Turns log-probabilities into words.

    Attributes:
        duration_s: Length of the recording; to be set before the end.
        error: Why there is no transcript.
    """

    def __init__(self, name: str, reader: LogProbReader, decoder: CtcDecoder) -> None:
        self.duration_s = 0.0
        self.error: Wav2Vec2ConformerError | None = None
        self._name = name
        self._reader = reader
        self._num_frames = 0
        self._stitcher = reader.make_stitcher()
        self._session = decoder.start()

    def cut(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[Window]:
        """Yield the windows of the recording, normalized as the checkpoint wants them.

        Args:
            blocks: The recording's samples of shape (L,). Iterated once more for each thing
                that has to be known of all of it first.
        """
        preparation = self._reader.prepare(blocks)
        samples = SampleReader(preparation.normalize(blocks))
        for window in iter_windows(
            samples, self._reader.windowing, preparation.regions, preparation.moments
        ):
            self._stitcher.expect([window])
            yield window
        self._num_frames = self._reader.count_frames(samples.skip_to_end())

    def add(self, window: Window, log_probs: NDArray[np.float32]) -> None:
        """Take the kept and spare frames of a window, (T, V); windows may come in any order."""
        if self.error is None:
            self._feed(self._stitcher.add(window, log_probs))

    def finish(self) -> Transcript | Failure:
        """Return the result when all windows have come."""
        if self.error is None:
            self._feed(self._stitcher.finish(self._num_frames))
        if self.error is not None:
            return Failure(self._name, self.error)
        decoded = self._session.finish(self.duration_s)
        return Transcript(
            source=self._name,
            text=decoded.text,
            words=decoded.words,
            duration_s=self.duration_s,
            segments=decoded.segments,
            confidence=decoded.confidence,
            alternatives=decoded.alternatives,
        )

    def _feed(self, blocks: Iterator[NDArray[np.float32]]) -> None:
        """Decode what has come; what goes wrong is this recording's failure alone."""
        try:
            for block in blocks:
                check_finite(block, self._name)
                self._session.feed(block)
        except Wav2Vec2ConformerError as error:
            self.error = error
