"""From manifests to the utterances a CTC model can be trained on."""

import logging
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from transformers import Wav2Vec2CTCTokenizer

from wav2vec2_conformer.text.normalization import count_unknown, normalize_text
from wav2vec2_conformer.training.examples import (
    SAMPLE_RATE_HZ,
    Examples,
    read_all,
    select_examples,
)

logger = logging.getLogger(__name__)

NUM_UNKNOWN_SHOWN = 20


def read_examples(
    manifests: Sequence[str | Path],
    tokenizer: Wav2Vec2CTCTokenizer,
    purpose: str,
    audio_dir: str | Path | None = None,
) -> Examples:
    """Read data sets, normalize the texts to the tokenizer's vocabulary and encode them.

    Characters that the vocabulary lacks become the unknown token; they are counted and
    logged.

    Args:
        manifests: Manifests, or data sets in another format that `data.reading` knows, read
            one after the other.
        tokenizer: Tokenizer of the model.
        purpose: What the utterances are for, for the log.
        audio_dir: Where the audio of shards is written, as for `read_all`.

    Raises:
        ManifestError: A manifest cannot be used.
    """
    utterances = read_all(manifests, audio_dir)
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
    return Examples(
        utterances=utterances,
        targets=[tokenizer(text).input_ids for text in texts],
    )


def select_trainable(
    examples: Examples,
    count_frames: Callable[[int], int],
    *,
    max_duration_s: float | None = None,
    max_speed: float = 1.0,
) -> Examples:
    """Leave out utterances that CTC cannot learn from, and log how many and why.

    CTC needs a frame per token and one more between two equal tokens; without them the loss
    is infinite.

    Args:
        examples: The utterances with their token ids.
        count_frames: Gives the frames of the encoder for a number of samples.
        max_duration_s: Longer ones are left out; None for no limit.
        max_speed: Fastest speed of the augmentation, which makes clips shorter.

    Raises:
        ManifestError: None is left.
    """
    durations_s = examples.durations_s
    targets: Any = examples.targets

    def is_short(index: int) -> bool:
        num_samples = int(durations_s[index] * SAMPLE_RATE_HZ / max_speed)
        return count_frames(num_samples) < num_frames_needed(targets[index])

    return select_examples(
        examples,
        max_duration_s=max_duration_s,
        also=[
            ("have no text", lambda i: len(targets[i]) == 0),
            ("have fewer frames than their text needs", is_short),
        ],
    )


def num_frames_needed(target: Sequence[int]) -> int:
    """Return the frames of the shortest CTC path: tokens plus repetitions."""
    return len(target) + sum(a == b for a, b in pairwise(target))
