"""The models of a server: speech recognizers, and one model for each other task."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from wav2vec2_conformer.checkpoints.bundled import (
    BUNDLED,
    DIARIZATION_HEAD,
    DIGIT_HEAD,
    SPEAKER_HEAD,
    bundled_heads,
)
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.aligner import Aligner
from wav2vec2_conformer.inference.classifier import Classifier
from wav2vec2_conformer.inference.diarizer import Diarizer
from wav2vec2_conformer.inference.embedder import Embedder
from wav2vec2_conformer.inference.head_loading import LoadedEncoder
from wav2vec2_conformer.inference.log_prob_reader import LogProbReader
from wav2vec2_conformer.inference.transcriber import Transcriber
from wav2vec2_conformer.inference.verifier import Verifier
from wav2vec2_conformer.server.api_error import ApiError
from wav2vec2_conformer.server.settings import NO_MODEL, ServerSettings

# What the bundled recognizer is called where it is not named.
_BUNDLED_NAME = "tiny-en"
# The name of the speaker model where a model is asked for.
SPEAKER = "speaker"


@dataclass(frozen=True, slots=True, eq=False)
class Recognizer:
    """A speech recognizer and what else can be done with it.

    Attributes:
        transcriber: Streams, and knows model and decoder.
        reader: Cuts recordings into windows.
        aligner: Finds the times of a text.
        embedder: Makes vectors of recordings with the same encoder.
    """

    transcriber: Transcriber
    reader: LogProbReader
    aligner: Aligner
    embedder: Embedder


@dataclass(frozen=True, slots=True, eq=False)
class ModelSet:
    """All models of a server.

    Attributes:
        recognizers: By the names that clients use; the first is the default.
        verifier: Compares voices.
        diarizer: Tells who speaks when.
        classifier: Labels recordings.
    """

    recognizers: dict[str, Recognizer]
    verifier: Verifier | None = None
    diarizer: Diarizer | None = None
    classifier: Classifier | None = None

    def recognizer(self, name: str | None) -> Recognizer:
        """Return the recognizer of a name; the first for no name.

        Raises:
            ApiError: When there is none.
        """
        if not name:
            return next(iter(self.recognizers.values()))
        if name not in self.recognizers:
            raise unknown_model(name, list(self.recognizers))
        return self.recognizers[name]

    def embedder(self, name: str | None) -> Embedder:
        """Return what embeds for a model of a name, or for `speaker`.

        Raises:
            ApiError: When there is none.
        """
        if name == SPEAKER:
            return required(self.verifier, "speaker").embedder
        return self.recognizer(name).embedder


def required(model: Any, task: str) -> Any:
    """Return the model of a task.

    Raises:
        ApiError: When the server has none.
    """
    if model is None:
        raise ApiError(
            404,
            f"this server has no {task} model. Its owner can name one with --{task}-model.",
            code="model_not_found",
            param="model",
        )
    return model


def unknown_model(name: str, known: list[str]) -> ApiError:
    """Return the error for a model that is not there."""
    return ApiError(
        404,
        f"there is no model {name[:100]!r} here. Allowed are {', '.join(known)}.",
        code="model_not_found",
        param="model",
    )


def load_models(settings: ServerSettings) -> ModelSet:
    """Load all models of a server.

    Raises:
        CheckpointError: When a checkpoint cannot be read.
        InputError: When two recognizers have one name, or a device does not exist here.
    """
    if settings.num_threads is not None:
        torch.set_num_threads(settings.num_threads)
    places = settings.models or (f"{_BUNDLED_NAME}=",)
    recognizers: dict[str, Recognizer] = {}
    for text in places:
        name, place = _split_name(text)
        if name in recognizers:
            raise InputError(
                f"two models are called {name!r}. Give each a name of its own: NAME={place}."
            )
        recognizers[name] = _load_recognizer(place or None, settings)
    options: dict[str, Any] = {"device": settings.device, "compute_type": settings.compute_type}
    verifier, diarizer, classifier = None, None, None
    speaker = _choose(settings.speaker_model, SPEAKER_HEAD)
    if speaker is not None:
        verifier = Verifier.from_pretrained(speaker, **options)
    diarization = _choose(settings.diarization_model, DIARIZATION_HEAD)
    if diarization is not None:
        diarizer = Diarizer.from_pretrained(diarization, embedding_model=speaker, **options)
    classification = _choose(settings.classification_model, DIGIT_HEAD)
    if classification is not None:
        classifier = Classifier.from_pretrained(classification, **options)
    return ModelSet(recognizers, verifier, diarizer, classifier)


def _load_recognizer(place: str | None, settings: ServerSettings) -> Recognizer:
    transcriber = Transcriber.from_pretrained(
        place,
        device=settings.device,
        compute_type=settings.compute_type,
        cuda_graphs=settings.cuda_graphs,
        runtime="torch",  # its encoder also makes embeddings
        window_s=settings.window_s,
        context_s=settings.context_s,
    )
    model, processor = transcriber.model, transcriber.processor
    windows: dict[str, Any] = {"window_s": settings.window_s, "context_s": settings.context_s}
    encoder = LoadedEncoder(
        model=model.base_model,
        feature_extractor=processor.feature_extractor,
        layer_weights=None,
        xvector=None,
        fingerprint="",  # of no use: a server stores no voices
    )
    return Recognizer(
        transcriber,
        LogProbReader(model, processor, **windows),
        Aligner(model, processor, **windows),
        Embedder(encoder, **windows),
    )


def _split_name(text: str) -> tuple[str, str]:
    """Return a recognizer's name and place of `NAME=PLACE`, or of a place alone."""
    name, has_name, place = text.partition("=")
    if has_name:
        return name, place
    # A folder is called as its last part, a model of the hub by its whole name.
    return (Path(text).resolve().name if Path(text).is_dir() else text), text


def _choose(place: str | None, bundled: str) -> str | None:
    """Return the checkpoint of a task; None for none."""
    if place is None:
        return f"{BUNDLED}{bundled}" if bundled in bundled_heads() else None
    return None if place == NO_MODEL else place
