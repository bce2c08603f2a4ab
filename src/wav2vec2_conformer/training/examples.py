"""What a model is trained on: utterances with their targets, whatever the task."""

import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy.typing as npt

from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.reading import read_utterances
from wav2vec2_conformer.errors import ManifestError
from wav2vec2_conformer.training.run_settings import RunSettings

logger = logging.getLogger(__name__)

SAMPLE_RATE_HZ = 16_000


@dataclass(frozen=True)
class Examples:
    """Utterances ready for training; the two sequences run in parallel.

    Attributes:
        utterances: What is heard where.
        targets: What is to be learned of each: token ids, a class index, numbers, ...
    """

    utterances: list[Utterance]
    targets: Sequence[npt.ArrayLike]

    @property
    def durations_s(self) -> list[float]:
        """Durations in seconds."""
        return [utterance.duration_s for utterance in self.utterances]


def read_all(
    data_sets: Sequence[str | Path], audio_dir: str | Path | None = None
) -> list[Utterance]:
    """Read data sets of any format of `data.reading`, one after the other.

    Args:
        data_sets: Files or folders.
        audio_dir: Folder in which each data set of shards gets a folder for its audio, written
            once (`data.extraction`); None if there are no shards.

    Raises:
        ManifestError: One cannot be used.
    """
    utterances = []
    for path in data_sets:
        extract_to = None
        if audio_dir is not None:
            place = Path(path).resolve()
            digest = hashlib.sha256(str(place).encode()).hexdigest()[:8]
            extract_to = Path(audio_dir) / f"{place.name}-{digest}"
        utterances += read_utterances(path, extract_to=extract_to)
    return utterances


def choose_audio_dir(settings: RunSettings) -> Path:
    """Return where a run keeps audio that is no file yet: its cache, else its own folder."""
    return Path(settings.cache_dir or Path(settings.output_dir or "", "audio"))


def select_examples(
    examples: Examples,
    *,
    max_duration_s: float | None = None,
    also: Sequence[tuple[str, Callable[[int], bool]]] = (),
) -> Examples:
    """Leave out what cannot be learned from, and log how much and why.

    Args:
        examples: The utterances.
        max_duration_s: Longer ones are left out; None for no limit.
        also: Further reasons, and whether they hold of the example at an index; the first one
            that holds is counted.

    Raises:
        ManifestError: None is left.
    """
    durations_s = examples.durations_s
    limit_s = math.inf if max_duration_s is None else max_duration_s
    too_long = (
        f"are longer than max_duration_s, {limit_s:g} s",
        lambda i: durations_s[i] > limit_s,
    )
    reasons = [*also, too_long]
    counts = dict.fromkeys((reason for reason, _ in reasons), 0)
    kept = []
    for index in range(len(examples.utterances)):
        reason = next((name for name, holds in reasons if holds(index)), None)
        if reason is None:
            kept.append(index)
        else:
            counts[reason] += 1
    for reason, number in counts.items():
        if number:
            logger.info("training: %d utterances left out: they %s", number, reason)
    if not kept:
        told = ", ".join(f"{number} {reason}" for reason, number in counts.items() if number)
        raise ManifestError(
            f"none of the {len(examples.utterances)} utterances for training can be used: {told}"
        )
    hours = sum(durations_s[i] for i in kept) / 3600
    logger.info("training: %d utterances, %.2f hours", len(kept), hours)
    return Examples(
        utterances=[examples.utterances[i] for i in kept],
        targets=[examples.targets[i] for i in kept],
    )


def check_has_frames(examples: Examples, count_frames: Callable[[int], int]) -> None:
    """Check that no clip is too short for a single frame, before hours of training.

    Args:
        examples: Utterances of a validation set, of which none is left out.
        count_frames: Gives the frames of the encoder for a number of samples.

    Raises:
        ManifestError: A clip is too short.
    """
    for utterance in examples.utterances:
        if count_frames(int(utterance.duration_s * SAMPLE_RATE_HZ)) < 1:
            raise ManifestError(
                f"{utterance.audio_path}: {utterance.duration_s} s are too short for one frame "
                "of the model; remove the line from the validation manifest"
            )
