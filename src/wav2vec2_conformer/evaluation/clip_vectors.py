"""Labelled clips to what the layers of an encoder, and cepstral coefficients, say of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio.cepstra import summarize_cepstra
from wav2vec2_conformer.audio.source import AudioSource
from wav2vec2_conformer.data.clip import load_utterance
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.reading import read_utterances
from wav2vec2_conformer.errors import ManifestError, Wav2Vec2ConformerError
from wav2vec2_conformer.evaluation.layer_probe import ProbedClips
from wav2vec2_conformer.inference.embedder import Embedder
from wav2vec2_conformer.inference.transcript import Failure


@dataclass(frozen=True, slots=True, eq=False)
class ClipVectors:
    """What is known of one clip.

    Attributes:
        utterance: The clip; it has a label.
        layers: Mean of each layer's frames, shape (N, D).
        cepstra: As `summarize_cepstra` returns them, shape (40,).
    """

    utterance: Utterance
    layers: NDArray[np.float32]
    cepstra: NDArray[np.float64]


def read_single_labels(path: str | Path) -> list[Utterance]:
    """Read a data set of any format of `data.reading` whose clips have one label each.

    Raises:
        ManifestError: The data set cannot be read, or a clip has no label.
    """
    utterances = read_utterances(path, check_files=False)
    for row, utterance in enumerate(utterances, start=1):
        if utterance.label is None:
            raise ManifestError(
                f"{path}, clip {row} ({utterance.audio_path.name}): has no label; expected a key "
                "`label`, or a folder for each label."
            )
    return utterances


def iter_clip_vectors(
    embedder: Embedder,
    utterances: Sequence[Utterance],
    *,
    batch_seconds: float = 60.0,
    on_progress: Callable[[float], None] | None = None,
) -> Iterator[tuple[int, ClipVectors | Failure]]:
    """Embed clips, of long files their parts alone.

    Args:
        embedder: Gives all layers (`layer="all"`).
        utterances: The clips.
        batch_seconds: As for `Embedder.embed_many`.
        on_progress: As for `Embedder.embed_many`.

    Yields:
        A clip's position and vectors, or why there are none. What cannot be read comes early,
        all else in order.
    """
    failed: list[tuple[int, Failure]] = []
    read: list[tuple[int, NDArray[np.float64]]] = []

    def iter_sources() -> Iterator[AudioSource]:
        for position, utterance in enumerate(utterances):
            name = str(utterance.audio_path)
            try:
                waveform = load_utterance(utterance, embedder.sample_rate_hz)
                cepstra = summarize_cepstra(waveform, embedder.sample_rate_hz)
            except Wav2Vec2ConformerError as error:
                failed.append((position, Failure(name, error)))
                continue
            read.append((position, cepstra))
            yield {"path": name, "array": waveform, "sampling_rate": embedder.sample_rate_hz}

    results = embedder.embed_many(
        iter_sources(), batch_seconds=batch_seconds, on_progress=on_progress
    )
    for number, result in enumerate(results):
        yield from failed
        failed.clear()
        position, cepstra = read[number]
        if isinstance(result, Failure):
            yield position, result
        else:
            yield position, ClipVectors(utterances[position], result.vector, cepstra)
    yield from failed


def stack_clips(clips: Sequence[ClipVectors]) -> ProbedClips:
    """Return clips, at least one, as arrays."""
    return ProbedClips(
        vectors=np.stack([clip.layers for clip in clips]),
        cepstra=np.stack([clip.cepstra for clip in clips]),
        labels=[str(clip.utterance.label) for clip in clips],
        speakers=[clip.utterance.speaker for clip in clips],
    )
