"""Run a model over a test set."""

import time
from collections.abc import Callable, Sequence

from wav2vec2_conformer.evaluation.recognition import Recognition
from wav2vec2_conformer.evaluation.reference_set import Reference
from wav2vec2_conformer.evaluation.timing import Speed
from wav2vec2_conformer.inference import Failure, Transcriber


def recognize(
    transcriber: Transcriber,
    references: Sequence[Reference],
    *,
    name: str,
    batch_seconds: float = 60.0,
    on_progress: Callable[[float], None] | None = None,
    on_utterance: Callable[[], None] | None = None,
) -> Recognition:
    """Transcribe a test set. An utterance that fails does not stop the others.

    Args:
        transcriber: The system.
        references: The test set.
        name: Of the system.
        batch_seconds: Seconds of audio in the model at once.
        on_progress: Called with the seconds of audio done since its last call.
        on_utterance: Called after each utterance.
    """
    hypotheses: dict[int, str] = {}
    failures: dict[int, str] = {}
    audio_s = 0.0
    start_s = time.perf_counter()
    results = transcriber.transcribe_many(
        [str(reference.audio_path) for reference in references],
        batch_seconds=batch_seconds,
        on_progress=on_progress,
    )
    for position, result in enumerate(results):
        if isinstance(result, Failure):
            failures[position] = str(result.error)
        else:
            hypotheses[position] = result.text
            audio_s += result.duration_s
        if on_utterance is not None:
            on_utterance()
    speed = Speed(audio_s=audio_s, wall_s=time.perf_counter() - start_s)
    return Recognition(name, hypotheses, failures, speed)
