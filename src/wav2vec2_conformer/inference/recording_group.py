"""Short recordings that go through the model together."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import Wav2Vec2ConformerError
from wav2vec2_conformer.inference.decoder import CtcDecoder, Decoded
from wav2vec2_conformer.inference.log_prob_reader import LogProbReader
from wav2vec2_conformer.inference.log_probs import check_finite, run_windows
from wav2vec2_conformer.inference.transcript import Failure, Transcript
from wav2vec2_conformer.inference.windows import Window


class RecordingGroup:
    """Recordings that are in memory; windows of all of them share batches.

    Args:
        reader: Cuts recordings and knows the model.
        decoder: Turns log-probabilities into words.

    Attributes:
        num_samples: Samples of all recordings together.
    """

    def __init__(self, reader: LogProbReader, decoder: CtcDecoder) -> None:
        self.num_samples = 0
        self._reader = reader
        self._decoder = decoder
        self._members: list[_Recording | Failure] = []

    def add(self, name: str, waveform: NDArray[np.float32]) -> None:
        """Add a recording of samples (L,) at the model's rate, not normalized."""
        self._members.append(_Recording(name, waveform, self._reader, self._decoder))
        self.num_samples += len(waveform)

    def add_failure(self, failure: Failure) -> None:
        """Add what could not be read; it keeps its place among the results."""
        self._members.append(failure)

    def transcribe(
        self, *, batch_seconds: float, on_progress: Callable[[float], None] | None = None
    ) -> Iterator[Transcript | Failure]:
        """Run the model and yield a result for each recording, in order and as early as may be.

        Args:
            batch_seconds: Largest padded length of a batch in seconds.
            on_progress: Called with the seconds of audio done since its last call.
        """
        jobs = [
            (member, window)
            for member in self._members
            if isinstance(member, _Recording)
            for window in member.windows
        ]
        num_yielded = 0
        for position, log_probs in run_windows(
            self._reader.model,
            [window for _, window in jobs],
            batch_samples=int(batch_seconds * self._reader.sample_rate_hz),
        ):
            recording, window = jobs[position]
            recording.take(window, log_probs)
            if on_progress is not None:
                on_progress(len(log_probs) * self._reader.frame_s)
            for result in self._iter_done(num_yielded):
                num_yielded += 1
                yield result
        yield from self._iter_done(num_yielded)

    def _iter_done(self, first: int) -> Iterator[Transcript | Failure]:
        """Yield results from a position on, up to the first that is not ready."""
        for member in self._members[first:]:
            if isinstance(member, Failure):
                yield member
            elif member.num_missing:
                return
            else:
                yield member.finish()


class _Recording:
    """A recording on its way through the model."""

    def __init__(
        self, name: str, waveform: NDArray[np.float32], reader: LogProbReader, decoder: CtcDecoder
    ) -> None:
        self.windows = reader.cut(waveform)
        self.num_missing = len(self.windows)
        self._name = name
        self._duration_s = len(waveform) / reader.sample_rate_hz
        self._num_frames = reader.count_frames(len(waveform))
        self._stitcher = reader.make_stitcher()
        self._stitcher.expect(self.windows)
        self._session = decoder.start()
        self._error: Wav2Vec2ConformerError | None = None

    def take(self, window: Window, log_probs: NDArray[np.float32]) -> None:
        """Take the kept frames of a window; windows may come in any order."""
        self.num_missing -= 1
        if self._error is None:
            self._feed(self._stitcher.add(window, log_probs))

    def finish(self) -> Transcript | Failure:
        """Return the result when all windows have come."""
        if self._error is None:
            self._feed(self._stitcher.finish(self._num_frames))
        if self._error is not None:
            return Failure(self._name, self._error)
        decoded = self._session.finish(self._duration_s)
        return make_transcript(self._name, decoded, self._duration_s)

    def _feed(self, blocks: Iterator[NDArray[np.float32]]) -> None:
        """Decode what has come; what goes wrong is this recording's failure alone."""
        try:
            for block in blocks:
                check_finite(block, self._name)
                self._session.feed(block)
        except Wav2Vec2ConformerError as error:
            self._error = error


def make_transcript(source: str, decoded: Decoded, duration_s: float) -> Transcript:
    """Return what was said in a recording together with its name and length."""
    return Transcript(
        source=source,
        text=decoded.text,
        words=decoded.words,
        duration_s=duration_s,
        segments=decoded.segments,
        confidence=decoded.confidence,
        alternatives=decoded.alternatives,
    )
