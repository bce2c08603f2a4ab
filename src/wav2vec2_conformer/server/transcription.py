"""A recording to its transcript, by windows that the model thread runs.

Shapes used in this file:
    L  samples
"""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio import AudioBlocks
from wav2vec2_conformer.audio.samples import SampleReader
from wav2vec2_conformer.inference.decoder import CtcDecoder, DecodingSession
from wav2vec2_conformer.inference.log_prob_reader import LogProbReader
from wav2vec2_conformer.inference.log_probs import check_finite
from wav2vec2_conformer.inference.transcript import Transcript, Word
from wav2vec2_conformer.inference.windows import Window, iter_windows
from wav2vec2_conformer.server.model_thread import LogProbs, ModelThread, cancel_all

if TYPE_CHECKING:
    from concurrent.futures import Future

# Windows of one recording that are with the model thread: one that it runs, one that waits.
_IN_FLIGHT = 2
_NAME = "file"


class CancelledRequestError(Exception):
    """Nobody waits for the result any more."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A recording that is to be transcribed.

    Attributes:
        samples: Mono, at the model's rate, shape (L,); perhaps in a file.
        reader: Cuts recordings, and knows the model.
        decoder: Turns log-probabilities into words.
        is_cancelled: Set when nobody waits any more.
    """

    samples: NDArray[np.float32]
    reader: LogProbReader
    decoder: CtcDecoder
    is_cancelled: threading.Event


def transcribe(
    job: Job,
    model_thread: ModelThread,
    on_progress: Callable[[float, "TextSoFar"], None] = lambda *_: None,
) -> Transcript:
    """Transcribe a recording; the result is that of `Transcriber.transcribe`.

    Args:
        job: The recording.
        model_thread: Runs its windows among those of others.
        on_progress: Called after each window with the seconds of audio that were heard, and
            what tells the words of it.

    Raises:
        CancelledRequestError: When `job.is_cancelled` is set.
        Wav2Vec2ConformerError: When the recording cannot be used.
    """
    rate_hz = job.reader.sample_rate_hz
    stitcher = job.reader.make_stitcher()
    session = job.decoder.start()
    text = TextSoFar(session)
    running: deque[tuple[Window, Future[LogProbs]]] = deque()
    num_frames = 0

    def feed(blocks: Iterable[LogProbs]) -> None:
        nonlocal num_frames
        for block in blocks:
            check_finite(block, _NAME)
            session.feed(block)
            num_frames += len(block)

    def take() -> None:
        window, result = running.popleft()
        feed(stitcher.add(window, result.result()))
        on_progress(num_frames * job.reader.frame_s, text)

    try:
        with AudioBlocks(job.samples, rate_hz, target_rate_hz=rate_hz) as blocks:
            preparation = job.reader.prepare(blocks)
            samples = SampleReader(preparation.normalize(blocks))
            windows = iter_windows(
                samples, job.reader.windowing, preparation.regions, preparation.moments
            )
            for window in windows:
                stitcher.expect([window])
                done_s = window.start_frame * job.reader.frame_s
                result = model_thread.submit(
                    job.reader.model, window, sample_rate_hz=rate_hz, done_s=done_s
                )
                running.append((window, result))
                while len(running) >= _IN_FLIGHT:
                    take()
                if job.is_cancelled.is_set():
                    raise CancelledRequestError
            total_frames = job.reader.count_frames(samples.skip_to_end())
            while running:
                take()
    finally:
        cancel_all([result for _, result in running])
    feed(stitcher.finish(total_frames))
    duration_s = len(job.samples) / rate_hz
    decoded = session.finish(duration_s)
    return Transcript(
        source=_NAME,
        text=decoded.text,
        words=decoded.words,
        duration_s=duration_s,
        segments=decoded.segments,
        confidence=decoded.confidence,
        alternatives=decoded.alternatives,
    )


class TextSoFar:
    """The words that were heard, in pieces: each word is told once.

    The last words of what was heard may change with what follows and are held back. Reading the
    words of a long recording costs time, so pieces grow with it.

    Args:
        session: Decodes the recording.
    """

    # Words that begin so near the end may still change.
    _HELD_S = 5.0
    _GROWTH = 1.1

    def __init__(self, session: DecodingSession) -> None:
        self._session = session
        self._num_told = 0
        self._next_s = 0.0

    def read(self, heard_s: float) -> str:
        """Return the text of new words, a space before it unless it is the first; or nothing."""
        if heard_s < self._next_s:
            return ""
        self._next_s = heard_s * self._GROWTH
        words = self._session.finish(heard_s).words
        return self.take([word for word in words if word.end_s < heard_s - self._HELD_S])

    def take(self, words: Sequence[Word]) -> str:
        """Return the text of those words that were not told yet."""
        new = words[self._num_told :]
        text = " ".join(word.text for word in new)
        if new and self._num_told:
            text = f" {text}"
        self._num_told += len(new)
        return text


def measure_peaks(samples: NDArray[Any], num_peaks: int) -> list[float]:
    """Return the loudest sample of each of so many equal parts, between 0 and 1."""
    edges = np.linspace(0, len(samples), min(num_peaks, len(samples)) + 1).astype(int)
    return [
        round(min(1.0, float(np.abs(samples[start:end]).max())), 3)
        for start, end in itertools.pairwise(edges)
    ]
