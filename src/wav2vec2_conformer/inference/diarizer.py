"""Who speaks when: recordings of any length to turns of speakers.

In two steps: a model finds speech, and perhaps tells apart the speakers of a window; embeddings
of what is said make speakers of the recording of it. With the speakers of windows that is the
pipeline of pyannote.audio (Bredin 2023, "pyannote.audio 2.1 speaker diarization pipeline:
principle, benchmark, and recipe", Interspeech).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio import AudioSource
from wav2vec2_conformer.checkpoints.bundled import BUNDLED, DIARIZATION_HEAD
from wav2vec2_conformer.checkpoints.location import locate_checkpoint
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.batching import HELD_WINDOWS, iter_finished, iter_pieces
from wav2vec2_conformer.inference.diarization import (
    Diarization,
    DiarizationSettings,
    read_diarization_settings,
)
from wav2vec2_conformer.inference.diarized_recording import DiarizedRecording
from wav2vec2_conformer.inference.frame_probabilities import (
    FrameProbabilities,
    compares_voices,
    load_frame_classifier,
)
from wav2vec2_conformer.inference.speaker_clustering import check_num_speakers
from wav2vec2_conformer.inference.transcript import Failure
from wav2vec2_conformer.inference.verifier import Verifier
from wav2vec2_conformer.inference.voices import (
    FindVoices,
    find_piece_voices,
    find_track_voices,
)
from wav2vec2_conformer.inference.windows import Window
from wav2vec2_conformer.models.audio_frame_classification import (
    Wav2Vec2ConformerForAudioFrameClassification,
)

# So many pieces of 1.5 s are needed to believe in a speaker.
_MIN_PIECES = 4


class Diarizer:
    """Says who speaks when.

    What that is depends on the model's tracks (see `FrameProbabilities`):

    - Speakers without names: those of a long recording's windows are joined by the likeness of
      their voices. They may overlap.
    - Speech alone: pieces of 1.5 s are compared. One speaker at a time is found.
    - Anything else has a name (`music`, `laughter`): turns have these names, and no voices are
      compared.

    Speakers found are named `SPEAKER_00`, `SPEAKER_01`, ... in the order in which they begin.
    Recordings are read in blocks: an hour needs about 60 MB more than a minute.

    Args:
        model: In eval mode, on its device.
        feature_extractor: Says rate and normalization.
        verifier: Compares voices; None where none are compared.
        settings: How probabilities become turns.
        window_s: Longest piece of audio that the model sees at once, in seconds: about as long
            as the examples that it was trained with.
        context_s: Part of it on each side that is context only.
        detects_speech: Finds speech of anyone in place of speakers.

    Attributes:
        finds_speakers: Whether speakers without names are the result.
        settings: As given.
        sample_rate_hz: Rate that the model wants.

    Raises:
        InputError: When a window is not longer than its context, no label of the model stands
            for speech, or voices are to be compared and the verifier is missing or hears
            another rate.
    """

    def __init__(
        self,
        model: Wav2Vec2ConformerForAudioFrameClassification,
        feature_extractor: Any,
        verifier: Verifier | None = None,
        *,
        settings: DiarizationSettings | None = None,
        window_s: float = 10.0,
        context_s: float = 1.0,
        detects_speech: bool = False,
    ) -> None:
        self.settings = settings or DiarizationSettings()
        self._probabilities = FrameProbabilities(
            model,
            feature_extractor,
            window_s=window_s,
            context_s=context_s,
            detects_speech=detects_speech,
        )
        self.finds_speakers = not detects_speech and compares_voices(model)
        self.sample_rate_hz = self._probabilities.sample_rate_hz
        self._verifier = verifier
        score = self.settings.same_speaker_score
        if score is None:
            score = 1.0 if verifier is None else verifier.threshold
        self._same_speaker_score = score
        if self.finds_speakers:
            rate_hz = None if verifier is None else verifier.embedder.sample_rate_hz
            if rate_hz != self.sample_rate_hz:
                raise InputError(
                    "the model finds speakers without names, which takes a verifier to compare "
                    f"voices at {self.sample_rate_hz} Hz, but got "
                    f"{'none' if rate_hz is None else f'one for {rate_hz} Hz'}."
                )

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        embedding_model: str | Path | None = None,
        settings: DiarizationSettings | None = None,
        device: str = "auto",
        compute_type: str = "float32",
        window_s: float = 10.0,
        context_s: float = 1.0,
        detects_speech: bool = False,
    ) -> "Diarizer":
        """Load a checkpoint, its `diarization.json`, and a model that compares voices.

        Args:
            model: A folder or a model of the Hugging Face hub with a head for frames; None for
                the diarization head that is part of this package.
            embedding_model: A checkpoint of any task, best with a speaker head, as
                `Verifier.from_pretrained` takes it; None for the speaker head that is part of
                this package. Loaded where voices are compared alone.
            settings: None for those of `diarization.json`, or else the defaults.
            device: `auto` (CUDA where there is one), or a torch device such as `cpu`.
            compute_type: `float32`, `bfloat16`, `float16`, `int8` (on CPUs), or `auto`.
            window_s: See the class.
            context_s: See the class.
            detects_speech: See the class.

        Raises:
            CheckpointError: When a checkpoint or its settings cannot be read, or the model has
                no head for frames.
            InputError: When the device or compute type does not exist here; see the class, too.
        """
        place = locate_checkpoint(f"{BUNDLED}{DIARIZATION_HEAD}" if model is None else model)
        loaded, feature_extractor = load_frame_classifier(
            place, device=device, compute_type=compute_type
        )
        verifier = None
        if not detects_speech and compares_voices(loaded):
            verifier = Verifier.from_pretrained(
                embedding_model, device=device, compute_type=compute_type
            )
        return cls(
            loaded,
            feature_extractor,
            verifier,
            settings=read_diarization_settings(place) if settings is None else settings,
            window_s=window_s,
            context_s=context_s,
            detects_speech=detects_speech,
        )

    def diarize(
        self,
        audio: AudioSource,
        sample_rate_hz: float | None = None,
        *,
        num_speakers: int | None = None,
        min_speakers: int = 1,
        max_speakers: int | None = None,
        batch_seconds: float = 60.0,
    ) -> Diarization:
        """Find the speakers of one recording of any length.

        Args:
            audio: Anything that `audio.AudioBlocks` takes: a path, `-`, bytes, a binary file,
                an array or tensor, a row of a Hugging Face dataset.
            sample_rate_hz: Rate of an array or tensor; not used for other sources.
            num_speakers: How many they are, where that is known: the fewest and the most.
            min_speakers: The fewest. A recording in which fewer voices are found has fewer.
            max_speakers: The most; None for any number.
            batch_seconds: Seconds of audio that the model sees at once.

        Raises:
            AudioError: When the audio cannot be used.
            InputError: When an argument is out of range.
            CheckpointError: When the model's output is not finite.
        """
        [result] = self.diarize_many(
            [audio],
            sample_rate_hz=sample_rate_hz,
            num_speakers=num_speakers,
            min_speakers=min_speakers,
            max_speakers=max_speakers,
            batch_seconds=batch_seconds,
        )
        if isinstance(result, Failure):
            raise result.error
        return result

    def diarize_many(
        self,
        sources: Iterable[AudioSource],
        *,
        sample_rate_hz: float | None = None,
        num_speakers: int | None = None,
        min_speakers: int = 1,
        max_speakers: int | None = None,
        batch_seconds: float = 60.0,
        on_progress: Callable[[float], None] | None = None,
    ) -> Iterator[Diarization | Failure]:
        """Diarize recordings, batched by length, and yield results in their order.

        Speakers of one recording have nothing to do with those of another.

        Args:
            sources: Recordings as for `diarize`.
            sample_rate_hz: Rate of arrays and tensors; not used for other sources.
            num_speakers: As for `diarize`, of each recording.
            min_speakers: As for `diarize`.
            max_speakers: As for `diarize`.
            batch_seconds: Largest padded length of a batch in seconds.
            on_progress: Called with the seconds of audio done since its last call.

        Yields:
            A diarization for each source, or a failure that says why there is none. One failing
            source does not stop the others.

        Raises:
            InputError: When an argument is out of range.
        """
        if not batch_seconds > 0:
            raise InputError(f"batch_seconds must be positive, but is {batch_seconds:g}.")
        if num_speakers is not None:
            if min_speakers != 1 or max_speakers is not None:
                raise InputError(
                    "num_speakers is the fewest and the most speakers; leave min_speakers and "
                    "max_speakers out beside it."
                )
            min_speakers = max_speakers = num_speakers
        check_num_speakers(min_speakers, max_speakers)
        return self._iter_results(
            sources, sample_rate_hz, min_speakers, max_speakers, batch_seconds, on_progress
        )

    def start(
        self, name: str, *, min_speakers: int = 1, max_speakers: int | None = None
    ) -> DiarizedRecording:
        """Return what gathers a recording's probabilities, for who runs the encoder himself.

        Args:
            name: Name of the recording in messages and results.
            min_speakers: As for `diarize`.
            max_speakers: As for `diarize`.
        """
        names = self._probabilities.names
        return DiarizedRecording(
            name,
            settings=self.settings,
            frame_samples=self._probabilities.frames.windowing.frame_samples,
            sample_rate_hz=self.sample_rate_hz,
            track_names=names,
            find_voices=self._choose_find_voices() if self.finds_speakers else None,
            verifier=self._verifier,
            min_voices=_MIN_PIECES if len(names) == 1 else 1,
            same_speaker_score=self._same_speaker_score,
            min_speakers=min_speakers,
            max_speakers=max_speakers,
        )

    def classify(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (T, S) of what the head sees of the encoder, (T, D)."""
        return self._probabilities.classify(frames)

    def _iter_results(
        self,
        sources: Iterable[AudioSource],
        sample_rate_hz: float | None,
        min_speakers: int,
        max_speakers: int | None,
        batch_seconds: float,
        on_progress: Callable[[float], None] | None,
    ) -> Iterator[Diarization | Failure]:
        batch_samples = int(batch_seconds * self.sample_rate_hz)
        frames = self._probabilities.frames
        pieces = iter_pieces(
            sources,
            sample_rate_hz,
            target_rate_hz=self.sample_rate_hz,
            max_held_samples=HELD_WINDOWS * frames.windowing.window_samples,
            start=lambda name: self.start(
                name, min_speakers=min_speakers, max_speakers=max_speakers
            ),
            cut=lambda _, blocks: frames.cut(blocks),
        )

        def run(jobs: Sequence[tuple[DiarizedRecording, Window]]) -> Iterator[int]:
            windows = [window for _, window in jobs]
            for position, probs in self._probabilities.run(windows, batch_samples=batch_samples):
                recording, window = jobs[position]
                recording.add(window, probs)
                if on_progress is not None:
                    on_progress(window.num_frames * frames.frame_s)
                yield position

        for recording in iter_finished(pieces, run, batch_samples=batch_samples):
            yield recording.finish()

    def _choose_find_voices(self) -> FindVoices:
        """Return what finds voices in the windows of this model."""
        frame_samples = self._probabilities.frames.windowing.frame_samples
        if len(self._probabilities.names) == 1:
            return partial(
                find_piece_voices,
                onset=self.settings.onset,
                frame_samples=frame_samples,
                sample_rate_hz=self.sample_rate_hz,
            )
        return partial(
            find_track_voices,
            onset=self.settings.onset,
            min_speech_s=self.settings.min_speech_s,
            frame_samples=frame_samples,
            sample_rate_hz=self.sample_rate_hz,
        )
