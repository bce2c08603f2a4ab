"""Utterances of different lengths to one batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wav2vec2_conformer.audio.normalization import normalize_waveform

# The model's convention for label positions that are padding.
LABEL_PADDING = -100


class Example(TypedDict):
    """One utterance of a dataset: samples (L,) float32 and token ids (U,) int64."""

    input_values: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class SpeechCollator:
    """Pad utterances to the longest and put them into the tensors the model takes.

    Attributes:
        normalize: Give each utterance zero mean and unit variance over its own samples, as
            `Wav2Vec2FeatureExtractor(do_normalize=True)` does. False for checkpoints whose
            preprocessor configuration says so.
    """

    normalize: bool = True

    def __call__(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        """Return a batch.

        Args:
            examples: The utterances.

        Returns:
            `input_values` (B, L) float32, zero where padded; `attention_mask` (B, L) int64,
            1 where there is audio; `labels` (B, U) int64, -100 where padded.
        """
        num_samples = max(len(example["input_values"]) for example in examples)
        num_tokens = max(len(example["labels"]) for example in examples)
        waveforms = np.zeros((len(examples), num_samples), dtype=np.float32)
        mask = np.zeros((len(examples), num_samples), dtype=np.int64)
        labels = np.full((len(examples), num_tokens), LABEL_PADDING, dtype=np.int64)
        for row, example in enumerate(examples):
            waveform, targets = example["input_values"], example["labels"]
            if self.normalize:
                waveform = normalize_waveform(waveform)
            waveforms[row, : len(waveform)] = waveform
            mask[row, : len(waveform)] = 1
            labels[row, : len(targets)] = targets
        return {
            "input_values": torch.from_numpy(waveforms),
            "attention_mask": torch.from_numpy(mask),
            "labels": torch.from_numpy(labels),
        }
