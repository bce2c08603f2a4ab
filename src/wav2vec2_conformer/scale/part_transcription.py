"""The recordings of one part to rows of transcripts, and to what failed."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from wav2vec2_conformer.audio import AudioSource
from wav2vec2_conformer.errors import Wav2Vec2ConformerError
from wav2vec2_conformer.inference.transcriber import Transcriber
from wav2vec2_conformer.inference.transcript import Failure
from wav2vec2_conformer.scale.audio_access import iter_shard, open_audio
from wav2vec2_conformer.scale.part_files import FailedRecording, as_row
from wav2vec2_conformer.scale.parts import Part

# Id, location, and what opens the audio.
_Input = tuple[str, str, AbstractContextManager[AudioSource]]


class PartTranscription:
    """Transcribes one part, and keeps what came of it.

    Args:
        transcriber: Hears.
        batch_seconds: Seconds of audio in the model at once.
        done_ids: Recordings that are not to be transcribed again.

    Attributes:
        rows: Transcripts.
        failed: Recordings without one.
        audio_s: Seconds of audio in the transcripts.
    """

    def __init__(
        self, transcriber: Transcriber, *, batch_seconds: float, done_ids: Collection[str]
    ) -> None:
        self.rows: list[dict[str, Any]] = []
        self.failed: list[FailedRecording] = []
        self.audio_s = 0.0
        self._transcriber = transcriber
        self._batch_seconds = batch_seconds
        self._done_ids = done_ids
        self._seen: set[str] = set()
        self._given: deque[tuple[str, str]] = deque()

    def run(self, part: Part) -> None:
        """Transcribe all recordings, batched by length.

        Raises:
            Exception: When something goes wrong that is not expected of a recording, such as
                too little memory; there is nothing then.
        """
        self._take(self._iter_inputs(part))

    def run_carefully(
        self, part: Part, bad_ids: Collection[str], on_start: Callable[[str], None]
    ) -> None:
        """Transcribe recordings one by one; whatever goes wrong is that recording's failure.

        Args:
            part: The part.
            bad_ids: Recordings with which a worker died before; they fail.
            on_start: Called with the id of each recording before it is opened.
        """
        for one in self._iter_inputs(part):
            name, location, _ = one
            if name in bad_ids:
                self._seen.add(name)
                self._fail(
                    name,
                    location,
                    "WorkerDied",
                    f"{location}: the worker's process ended while it transcribed this recording. "
                    "The file may need more memory than there is; it is tried again when the job "
                    "is started again.",
                )
                continue
            on_start(name)
            try:
                self._take([one])
            except Exception as error:  # noqa: BLE001  one recording must not end the job
                self._given.clear()
                self._fail(name, location, type(error).__name__, f"{location}: {error}")

    def _take(self, inputs: Iterable[_Input]) -> None:
        for result in self._transcriber.transcribe_many(
            self._iter_sources(inputs), batch_seconds=self._batch_seconds
        ):
            name, location = self._given.popleft()
            if isinstance(result, Failure):
                # The name of a copy means nothing to anybody.
                message = str(result.error).replace(result.source, location)
                self._fail(name, location, type(result.error).__name__, message)
            else:
                self.rows.append(as_row(name, location, result))
                self.audio_s += result.duration_s

    def _iter_inputs(self, part: Part) -> Iterator[_Input]:
        for recording in part.recordings:
            opening = open_audio(recording, self._transcriber.sample_rate_hz)
            yield recording.id, recording.location, opening
        if part.shard is None:
            return
        try:
            for name, encoded in iter_shard(part.shard):
                yield name, part.shard.location, nullcontext(encoded)
        except Wav2Vec2ConformerError as error:
            # What comes after it in the shard cannot be named.
            self._fail(part.shard.id, part.shard.location, type(error).__name__, str(error))

    def _iter_sources(self, inputs: Iterable[_Input]) -> Iterator[AudioSource]:
        for name, location, opening in inputs:
            if name in self._seen:
                message = f"{location}: holds two recordings called {name}; this is the second."
                self._fail(name, location, "ManifestError", message)
                continue
            self._seen.add(name)
            if name in self._done_ids:
                continue
            try:
                with opening as source:
                    self._given.append((name, location))
                    yield source
            except Wav2Vec2ConformerError as error:
                self._fail(name, location, type(error).__name__, str(error))

    def _fail(self, name: str, location: str, error: str, message: str) -> None:
        self.failed.append(FailedRecording(name, location, error, message))
