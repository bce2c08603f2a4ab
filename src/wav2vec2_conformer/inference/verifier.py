"""Who speaks: whether two recordings are of one speaker, and which known one.

Shapes used in this file:
    D  width of an embedding
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio import AudioSource
from wav2vec2_conformer.checkpoints.bundled import BUNDLED, SPEAKER_HEAD
from wav2vec2_conformer.checkpoints.location import locate_checkpoint
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.embedder import Embedder
from wav2vec2_conformer.inference.head_loading import load_encoder
from wav2vec2_conformer.inference.score_normalization import ScoreNormalization
from wav2vec2_conformer.inference.speaker_store import SpeakerStore, Voice, read_speakers
from wav2vec2_conformer.inference.transcript import Failure
from wav2vec2_conformer.inference.verification_settings import (
    VerificationSettings,
    read_settings,
)

# Of the bundled encoder's layer 1, at the equal error rate of 140 clips of 28 speakers who are
# not in the published evaluation (docs/guides/speaker-verification.md).
DEFAULT_THRESHOLD = 0.94
# Deviations above what strangers score, at the equal error rate of half of those speakers with the
# other half as cohort; measured with the encoder's first version.
DEFAULT_NORMALIZED_THRESHOLD = 1.75
# The lower layers know more about the voice, the upper ones more about the words.
_LAYER_SHARE = 8


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether two recordings are of one speaker.

    Attributes:
        score: Cosine of the embeddings, from -1 to 1; with a cohort, deviations above it.
        is_same_speaker: Whether the score reaches the threshold.
        threshold: As it was.
    """

    score: float
    is_same_speaker: bool
    threshold: float


@dataclass(frozen=True, slots=True)
class Identification:
    """Which known speaker a recording is of.

    Attributes:
        source: Name of the recording.
        speaker: The known speaker with the highest score; None when that is below the
            threshold.
        scores: Every known speaker's name and score, the highest first.
        threshold: As it was.
    """

    source: str
    speaker: str | None
    scores: tuple[tuple[str, float], ...]
    threshold: float


class Verifier:
    """Compares voices.

    Args:
        embedder: Turns recordings into vectors.
        threshold: Score from which on two voices count as one; None for a default that was
            measured with the bundled model, and means little for others.
        cohort: Voices of other speakers to normalize scores with; None for plain cosines.

    Attributes:
        embedder: As given.
        threshold: The threshold in use.
        has_default_threshold: Whether that is the default.

    Raises:
        InputError: When the cohort has fewer than two speakers, or the embedder gives more than
            one vector for a recording.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        threshold: float | None = None,
        cohort: SpeakerStore | None = None,
    ) -> None:
        if embedder.layer == "all":
            raise InputError("verification needs one vector a recording: name one layer, not all.")
        self.embedder = embedder
        self.has_default_threshold = threshold is None
        default = DEFAULT_THRESHOLD if cohort is None else DEFAULT_NORMALIZED_THRESHOLD
        self.threshold = default if threshold is None else threshold
        self._normalization = None
        if cohort is not None:
            vectors = [to_unit(voice.vector) for voice in cohort.voices.values()]
            self._normalization = ScoreNormalization(np.stack(vectors))

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        layer: int | str | None = None,
        threshold: float | None = None,
        cohort: Path | None = None,
        device: str = "auto",
        compute_type: str = "float32",
    ) -> "Verifier":
        """Load a checkpoint and its `verification.json`.

        Args:
            model: A folder or a model of the Hugging Face hub, of any task; None for the
                speaker head that is part of this package.
            layer: Layer whose mean is the voice; None for the one in `verification.json`, or
                else the checkpoint's speaker head, or else the layer at an eighth of the
                encoder's depth.
            threshold: None for the one in `verification.json`, which counts for its layer
                alone, or else a default.
            cohort: Store of other speakers' voices to normalize scores with.
            device: `auto` (CUDA where there is one), or a torch device such as `cpu`.
            compute_type: `float32`, `bfloat16`, `float16`, `int8` (on CPUs), or `auto`.

        Raises:
            CheckpointError: When the checkpoint or its settings cannot be read.
            InputError: When the device, compute type or layer does not exist here, or the
                cohort cannot be used.
        """
        place = locate_checkpoint(f"{BUNDLED}{SPEAKER_HEAD}" if model is None else model)
        encoder = load_encoder(place, device=device, compute_type=compute_type)
        settings = read_settings(place)
        if layer is None and settings is not None:
            layer = settings.layer
        if layer is None and encoder.xvector is None:
            layer = max(1, encoder.model.config.num_hidden_layers // _LAYER_SHARE)
        embedder = Embedder(encoder, layer=layer)
        if threshold is None and settings is not None:
            threshold = _choose_threshold(settings, embedder, has_cohort=cohort is not None)
        voices = None if cohort is None else read_speakers(cohort, embedder.fingerprint)
        return cls(embedder, threshold=threshold, cohort=voices)

    def embed_many(
        self, sources: Iterable[AudioSource], *, sample_rate_hz: float | None = None
    ) -> Iterator[NDArray[np.float32] | Failure]:
        """Yield a vector of length 1, shape (D,), or a failure for each recording."""
        for result in self.embedder.embed_many(sources, sample_rate_hz=sample_rate_hz):
            yield result if isinstance(result, Failure) else to_unit(result.vector)

    def score(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
        """Return how alike two voices are.

        Args:
            first: A vector of length 1, shape (D,).
            second: Another.
        """
        cosine = float(first.astype(np.float64) @ second.astype(np.float64))
        if self._normalization is None:
            return cosine
        return self._normalization.normalize(cosine, first, second)

    def verify(
        self, first: AudioSource, second: AudioSource, *, sample_rate_hz: float | None = None
    ) -> Verification:
        """Tell whether two recordings are of one speaker.

        Args:
            first: A recording, as for `Embedder.embed`.
            second: Another.
            sample_rate_hz: Rate of arrays and tensors; not used for other sources.

        Raises:
            AudioError: When a recording cannot be used, or is shorter than one frame.
            InputError: When a source is no audio.
            CheckpointError: When the model's output is not finite.
        """
        score = self.score(*self._embed_all([first, second], sample_rate_hz))
        return Verification(score, score >= self.threshold, self.threshold)

    def enroll(
        self, sources: Sequence[AudioSource], *, sample_rate_hz: float | None = None
    ) -> Voice:
        """Return the voice of a speaker: the mean of several clips.

        Args:
            sources: Recordings of one speaker, as for `Embedder.embed`.
            sample_rate_hz: Rate of arrays and tensors; not used for other sources.

        Raises:
            AudioError: As `verify`.
            InputError: When there is no recording.
            CheckpointError: As `verify`.
        """
        vectors = self._embed_all(sources, sample_rate_hz)
        if not vectors:
            raise InputError("enrolling a speaker needs at least one recording.")
        mean = np.stack(vectors).mean(axis=0, dtype=np.float64)
        return Voice(mean.astype(np.float32), len(vectors))

    def identify(
        self, audio: AudioSource, store: SpeakerStore, *, sample_rate_hz: float | None = None
    ) -> Identification:
        """Tell which known speaker a recording is of, if any.

        Args:
            audio: A recording, as for `Embedder.embed`.
            store: Known speakers, enrolled with the same model and layer.
            sample_rate_hz: Rate of an array or tensor; not used for other sources.

        Raises:
            AudioError: As `verify`.
            InputError: When the store is empty or of another model.
            CheckpointError: As `verify`.
        """
        [result] = self.identify_many([audio], store, sample_rate_hz=sample_rate_hz)
        if isinstance(result, Failure):
            raise result.error
        return result

    def identify_many(
        self,
        sources: Sequence[AudioSource],
        store: SpeakerStore,
        *,
        sample_rate_hz: float | None = None,
    ) -> Iterator[Identification | Failure]:
        """Yield which known speaker each recording is of, or why that cannot be told.

        Args:
            sources: Recordings, as for `Embedder.embed`.
            store: See `identify`.
            sample_rate_hz: Rate of arrays and tensors; not used for other sources.

        Raises:
            InputError: When the store is empty or of another model.
        """
        if not store.voices or store.fingerprint != self.embedder.fingerprint:
            raise InputError(
                "the store holds no speaker, or voices of another model or layer. Enroll the "
                "speakers with this one."
            )
        known = {name: to_unit(voice.vector) for name, voice in store.voices.items()}
        results = self.embedder.embed_many(sources, sample_rate_hz=sample_rate_hz)
        for result in results:
            if isinstance(result, Failure):
                yield result
                continue
            vector = to_unit(result.vector)
            scores = [(name, self.score(vector, voice)) for name, voice in known.items()]
            scores.sort(key=lambda named: (-named[1], named[0]))
            best, score = scores[0]
            speaker = best if score >= self.threshold else None
            yield Identification(result.source, speaker, tuple(scores), self.threshold)

    def _embed_all(
        self, sources: Sequence[AudioSource], sample_rate_hz: float | None
    ) -> list[NDArray[np.float32]]:
        vectors = []
        for result in self.embed_many(sources, sample_rate_hz=sample_rate_hz):
            if isinstance(result, Failure):
                raise result.error
            vectors.append(result)
        return vectors


def to_unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a vector of the same direction and length 1; zeros as they are."""
    norm = float(np.linalg.norm(vector.astype(np.float64)))
    unit: NDArray[np.float32] = (vector / norm).astype(np.float32) if norm > 0 else vector
    return unit


def _choose_threshold(
    settings: VerificationSettings, embedder: Embedder, *, has_cohort: bool
) -> float | None:
    """Return the stored threshold if it is one of this layer's scores."""
    layer = None if embedder.layer == "xvector" else embedder.layer
    if layer != settings.layer:
        return None
    return settings.normalized_threshold if has_cohort else settings.threshold
