"""A model with an input and its mask in, and its outputs as plain tensors.

Shapes used in this file:
    B  utterances in the batch
    L  samples, padded to the longest utterance
"""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


class MaskedModel(nn.Module):
    """Inputs and their mask to outputs, as models of transformers have them.

    Args:
        model: With any head, or bare.
        outputs: Names of the model's outputs.
        extra_length: Zeros to put behind the inputs, as padding: a head over many frames needs
            them, and a graph cannot decide whether it does.
    """

    def __init__(self, model: Any, outputs: Sequence[str], *, extra_length: int = 0) -> None:
        super().__init__()
        self.model = model
        self.outputs = tuple(outputs)
        self.extra_length = extra_length

    def forward(self, inputs: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs in their order.

        Args:
            inputs: Waveforms (B, L), or log-mel features and frames in place of samples.
            attention_mask: 1 where valid, (B, L), int64.
        """
        if self.extra_length:
            axes_after = [0, 0] * (inputs.dim() - 2)
            inputs = F.pad(inputs, (*axes_after, 0, self.extra_length))
            attention_mask = F.pad(attention_mask, (0, self.extra_length))
        result = self.model(inputs, attention_mask=attention_mask, return_dict=True)
        return tuple(getattr(result, name) for name in self.outputs)
