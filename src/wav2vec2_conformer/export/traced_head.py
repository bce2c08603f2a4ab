"""A module to trace, and the names that a program gives its inputs and outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from wav2vec2_conformer.configuration import Wav2Vec2BertConfig

SAMPLE_RATE_HZ = 16_000
MASK, LENGTHS = "attention_mask", "lengths"


@dataclass(frozen=True, slots=True, eq=False)
class TracedHead:
    """What is traced of a model.

    Attributes:
        module: Takes the inputs, in their order, and returns the outputs.
        model: The model inside it.
        inputs: Names of the inputs: waveforms (or log-mel features), then what tells padding.
        padding: How the second input tells padding: by a mask of samples (frames), or by
            lengths; None where there is no second input.
        outputs: Names of the outputs.
        metadata: Properties for the file.
    """

    module: nn.Module
    model: Any
    inputs: tuple[str, ...]
    padding: str | None
    outputs: tuple[str, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def min_length(self) -> int:
        """Samples (of features: frames) of the shortest input, one of two frames."""
        if takes_features(self.model):
            return 2
        samples = int(self.model.base_model.feature_extractor.receptive_field)
        while self.model.base_model.feature_extractor.output_lengths(torch.tensor(samples)) < 2:  # noqa: PLR2004
            samples += 1
        return samples

    def to_length(self, length_s: float) -> int:
        """Return samples (of features: frames) of a recording, the shortest possible at least."""
        length = round(length_s * SAMPLE_RATE_HZ)
        if takes_features(self.model):
            length //= hop_samples(self.model)
        return max(length, self.min_length)

    def make_inputs(self, lengths: Sequence[int], seed: int = 0) -> tuple[Tensor, ...]:
        """Return noise as a padded batch.

        Args:
            lengths: Samples (of features: frames) of each utterance.
            seed: Of the noise.
        """
        shape = [len(lengths), max(lengths)]
        if takes_features(self.model):
            shape.append(self.model.config.feature_projection_input_dim)
        values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        counts = torch.tensor(lengths)
        valid = torch.arange(max(lengths))[None] < counts[:, None]
        values = values * valid.reshape(*valid.shape, *[1] * (values.dim() - 2))
        if self.padding is None:
            return (values,)
        return values, valid.long() if self.padding == MASK else counts


def takes_features(model: Any) -> bool:
    """Whether a model is exported from log-mel features on, not from waveforms."""
    return isinstance(model.config, Wav2Vec2BertConfig)


def hop_samples(model: Any) -> int:
    """Return the samples from one frame to the next."""
    return int(model.config.inputs_to_logits_ratio)
