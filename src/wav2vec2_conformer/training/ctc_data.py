"""From manifests to the utterances a CTC model can be trained on."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from transformers import Wav2Vec2CTCTokenizer

from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.reading import read_utterances
from wav2vec2_conformer.errors import ManifestError
from wav2vec2_conformer.text.normalization import count_unknown, normalize_text

logger = logging.getLogger(__name__)

SAMPLE_RATE_HZ = 16_000
NUM_UNKNOWN_SHOWN = 20


@dataclass(frozen=True)
class CtcExamples:
    """Utterances ready for training; the two sequences run in parallel.

    Attributes:
        utterances: What is said where.
        targets: Token ids of the normalized texts.
    """

    utterances: list[Utterance]
    targets: list[list[int]]

    @property
    def durations_s(self) -> list[float]:
        """Durations in seconds."""
        return [utterance.duration_s for utterance in self.utterances]


def read_examples(
    manifests: Sequence[str | Path], tokenizer: Wav2Vec2CTCTokenizer, purpose: str
) -> CtcExamples:
    """Read data sets, normalize the texts to the tokenizer's vocabulary and encode them.

    Characters that the vocabulary lacks become the unknown token; they are counted and
    logged.

    Args:
        manifests: Manifests, or data sets in another format that `data.reading` knows, read
            one after the other.
        tokenizer: Tokenizer of the model.
        purpose: What the utterances are for, for the log.

    Raises:
        ManifestError: A manifest cannot be used.
    """
    utterances: list[Utterance] = []
    for manifest in manifests:
        utterances += read_utterances(manifest)
    vocabulary = tokenizer.get_vocab()
    texts = [normalize_text(utterance.text, vocabulary) for utterance in utterances]
    unknown = count_unknown(texts, vocabulary)
    if unknown:
        shown = ", ".join(f"{c!r} {n}x" for c, n in unknown.most_common(NUM_UNKNOWN_SHOWN))
        logger.warning(
            "%s: %d characters are not in the vocabulary and become %s: %s",
            purpose,
            unknown.total(),
            tokenizer.unk_token,
            shown,
        )
    return CtcExamples(
        utterances=utterances,
        targets=[tokenizer(text).input_ids for text in texts],
    )


def select_trainable(
    examples: CtcExamples,
    count_frames: Callable[[int], int],
    *,
    max_duration_s: float | None = None,
    max_speed: float = 1.0,
) -> CtcExamples:
    """Leave out utterances that CTC cannot learn from, and log how many and why.

    CTC needs a frame per token and one more between two equal tokens; without them the loss
    is infinite.

    Args:
        examples: The utterances.
        count_frames: Gives the frames of the encoder for a number of samples.
        max_duration_s: Longer ones are left out; None for no limit.
        max_speed: Fastest speed of the augmentation, which makes clips shorter.

    Raises:
        ManifestError: None is left.
    """
    kept = []
    num_empty = num_long = num_short = 0
    for index, (duration_s, target) in enumerate(
        zip(examples.durations_s, examples.targets, strict=True)
    ):
        num_samples = int(duration_s * SAMPLE_RATE_HZ / max_speed)
        if not target:
            num_empty += 1
        elif max_duration_s is not None and duration_s > max_duration_s:
            num_long += 1
        elif count_frames(num_samples) < num_frames_needed(target):
            num_short += 1
        else:
            kept.append(index)
    for number, reason in (
        (num_empty, "have no text"),
        (num_long, f"are longer than {max_duration_s} s"),
        (num_short, "have fewer frames than their text needs"),
    ):
        if number:
            logger.info("training: %d utterances left out: they %s", number, reason)
    if not kept:
        raise ManifestError(
            f"none of the {len(examples.targets)} utterances for training can be used: "
            f"{num_empty} have no text, {num_long} are longer than max_duration_s "
            f"({max_duration_s}), {num_short} are too short for their text"
        )
    logger.info(
        "training: %d utterances, %.2f hours",
        len(kept),
        sum(examples.durations_s[i] for i in kept) / 3600,
    )
    return CtcExamples(
        utterances=[examples.utterances[i] for i in kept],
        targets=[examples.targets[i] for i in kept],
    )


def check_has_frames(examples: CtcExamples, count_frames: Callable[[int], int]) -> None:
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


def num_frames_needed(target: Sequence[int]) -> int:
    """Return the frames of the shortest CTC path: tokens plus repetitions."""
    return len(target) + sum(a == b for a, b in pairwise(target))
