"""Tasks other than transcription: each has the turn at the processor for one batch at a time."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.inference.aligner import Aligner
from wav2vec2_conformer.inference.alignment import Alignment
from wav2vec2_conformer.inference.classification import Classification
from wav2vec2_conformer.inference.classifier import Classifier
from wav2vec2_conformer.inference.diarization import Diarization
from wav2vec2_conformer.inference.diarizer import Diarizer
from wav2vec2_conformer.inference.embedder import Embedder
from wav2vec2_conformer.inference.embedding import Embedding
from wav2vec2_conformer.inference.transcript import Failure
from wav2vec2_conformer.inference.verifier import Verification, Verifier, to_unit
from wav2vec2_conformer.server.turns import Turns

T = TypeVar("T")
Step = Callable[[float], None]
Samples = NDArray[np.float32]
# One window at a time, so that others get their turns soon.
_BATCH_SECONDS = 1.0


def align(
    aligner: Aligner, samples: Samples, rate_hz: int, text: str, turns: Turns, step: Step
) -> Alignment:
    """Find the times of a text.

    Args:
        aligner: Runs the model.
        samples: Mono, shape (L,).
        rate_hz: Their rate.
        text: What is said, a line a segment.
        turns: Turns at the processor.
        step: Called after each batch, with the turn.

    Raises:
        Wav2Vec2ConformerError: When the audio or the text cannot be used.
    """
    with turns.turn():
        return aligner.align(samples, text, rate_hz, batch_seconds=_BATCH_SECONDS, on_progress=step)


def classify(
    classifier: Classifier, samples: Samples, rate_hz: int, top_k: int, turns: Turns, step: Step
) -> Classification:
    """Label a recording; see `align`."""
    with turns.turn():
        [result] = classifier.classify_many(
            [samples],
            sample_rate_hz=rate_hz,
            top_k=top_k,
            batch_seconds=_BATCH_SECONDS,
            on_progress=step,
        )
    return _checked(result)


def diarize(
    diarizer: Diarizer,
    samples: Samples,
    rate_hz: int,
    turns: Turns,
    step: Step,
    *,
    num_speakers: int | None = None,
    min_speakers: int = 1,
    max_speakers: int | None = None,
) -> Diarization:
    """Tell who speaks when; see `align`."""
    with turns.turn():
        [result] = diarizer.diarize_many(
            [samples],
            sample_rate_hz=rate_hz,
            num_speakers=num_speakers,
            min_speakers=min_speakers,
            max_speakers=max_speakers,
            batch_seconds=_BATCH_SECONDS,
            on_progress=step,
        )
    return _checked(result)


def embed(
    embedder: Embedder, samples: Samples, rate_hz: int, turns: Turns, step: Step
) -> Embedding:
    """Make a vector of a recording; see `align`."""
    with turns.turn():
        [result] = embedder.embed_many(
            [samples], sample_rate_hz=rate_hz, batch_seconds=_BATCH_SECONDS, on_progress=step
        )
    return _checked(result)


def verify(
    verifier: Verifier,
    first: Samples,
    second: Samples,
    rate_hz: int,
    turns: Turns,
    step: Step,
    *,
    threshold: float | None = None,
) -> Verification:
    """Tell whether two recordings are of one speaker; see `align`."""
    voices = [
        to_unit(embed(verifier.embedder, samples, rate_hz, turns, step).vector)
        for samples in (first, second)
    ]
    score = verifier.score(*voices)
    limit = verifier.threshold if threshold is None else threshold
    return Verification(score, score >= limit, limit)


def _checked(result: T | Failure) -> T:
    if isinstance(result, Failure):
        raise result.error
    return result
