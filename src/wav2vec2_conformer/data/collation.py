"""Utterances of different lengths to one batch.

Shapes used in this file:
    B  utterances in the batch
    L  samples of the longest
    U  tokens of the longest text
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import torch

from wav2vec2_conformer.audio.normalization import normalize_waveform

# The model's convention for label positions that are padding.
LABEL_PADDING = -100

Labels = npt.NDArray[Any]


class Example(TypedDict):
    """One utterance of a dataset.

    Samples (L,) float32, its target (int64 or float32), and how messages name it.
    """

    input_values: npt.NDArray[np.float32]
    labels: Labels
    utterance_id: str


# Targets of the utterances, the samples of each, and what these are padded to.
CollateLabels = Callable[[Sequence[Labels], Sequence[int], int], Labels]


def pad_tokens(targets: Sequence[Labels], num_samples: Sequence[int], num_padded: int) -> Labels:  # noqa: ARG001
    """Return token ids (B, U), -100 where padded.

    Args:
        targets: Token ids of each utterance.
        num_samples: Not looked at.
        num_padded: Not looked at.
    """
    num_tokens = max(len(target) for target in targets)
    labels = np.full((len(targets), num_tokens), LABEL_PADDING, dtype=np.int64)
    for row, target in enumerate(targets):
        labels[row, : len(target)] = target
    return labels


def stack_targets(targets: Sequence[Labels], num_samples: Sequence[int], num_padded: int) -> Labels:  # noqa: ARG001
    """Return targets of the same shape as one array (B, ...).

    Args:
        targets: A class index, or numbers, of each utterance.
        num_samples: Not looked at.
        num_padded: Not looked at.
    """
    return np.stack(targets)


@dataclass(frozen=True)
class SpeechCollator:
    """Pad utterances to the longest and put them into the tensors the model takes.

    Attributes:
        normalize: Give each utterance zero mean and unit variance over its own samples, as
            `Wav2Vec2FeatureExtractor(do_normalize=True)` does. False for checkpoints whose
            preprocessor configuration says so.
        collate_labels: Makes one array of the utterances' targets, their numbers of samples, and
            the number that they are padded to.
        pad_to_multiple_of: Samples of the longest utterance are padded to a multiple of this.
    """

    normalize: bool = True
    collate_labels: CollateLabels = pad_tokens
    pad_to_multiple_of: int = 1

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        """Return a batch.

        Args:
            examples: The utterances.

        Returns:
            `input_values` (B, L) float32, zero where padded; `attention_mask` (B, L) int64,
            1 where there is audio; `labels`, for token ids (B, U) int64, -100 where padded;
            `utterance_ids`, a list of names for messages.
        """
        lengths = [len(example["input_values"]) for example in examples]
        num_padded = max(lengths) + -max(lengths) % self.pad_to_multiple_of
        shape = (len(examples), num_padded)
        # torch's memory is aligned: arithmetic on it is the same in every run, to the bit.
        waveforms = torch.zeros(shape)
        mask = torch.zeros(shape, dtype=torch.int64)
        for row, (example, length) in enumerate(zip(examples, lengths, strict=True)):
            waveform = example["input_values"]
            if self.normalize:
                waveform = normalize_waveform(waveform)
            waveforms[row, :length] = torch.from_numpy(np.ascontiguousarray(waveform))
            mask[row, :length] = 1
        targets = [example["labels"] for example in examples]
        labels = self.collate_labels(targets, lengths, num_padded)
        return {
            "input_values": waveforms,
            "attention_mask": mask,
            "labels": torch.from_numpy(labels),
            "utterance_ids": [example["utterance_id"] for example in examples],
        }
