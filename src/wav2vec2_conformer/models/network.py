"""Parts built of a configuration: what the models compute, without transformers' model class.

transformers' `PreTrainedModel` takes longer to import than everything that a transcript needs
together. So what a model computes stands in the networks, which transcription loads and runs by
themselves; the public classes are networks and transformers' models in one.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn.lengths import padding_mask_from_lengths


class Network(nn.Module):
    """What all networks share, in the words of transformers' models.

    Attributes:
        config: What it was built of.
        base_model_prefix: Name of the bare model in one with a head.
    """

    config: Wav2Vec2ConformerConfig
    base_model_prefix: str

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """What transformers' classes add in models; torch says tensor or module of it."""

    @property
    def base_model(self) -> Any:
        """The bare model; of a bare one, itself."""
        return self._base()

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Type of its weights."""
        return next(weight.dtype for weight in self.parameters() if weight.is_floating_point())

    def _base(self) -> Any:
        """Return the bare model (`Wav2Vec2ConformerModel`)."""
        return getattr(self, self.base_model_prefix, self)

    def _get_feat_extract_output_lengths(
        self, input_lengths: Tensor | int, add_adapter: bool | None = None
    ) -> Tensor:
        """Return how many frames come of how many samples.

        Args:
            input_lengths: Numbers of samples, of any shape.
            add_adapter: Whether to count what is left after the adapter; by default as the
                configuration says.
        """
        lengths: Tensor = self._base().feature_extractor.output_lengths(
            torch.as_tensor(input_lengths)
        )
        if self.config.add_adapter if add_adapter is None else add_adapter:
            adapter = self._base().adapter
            if adapter is None:
                raise InputError("add_adapter=True, but this model was built without an adapter")
            lengths = adapter.output_lengths(lengths)
        return lengths

    def _get_feature_vector_attention_mask(
        self,
        feature_vector_length: int,
        attention_mask: Tensor,
        add_adapter: bool | None = None,
    ) -> Tensor:
        """Return a mask of frames, True where valid, [B, feature_vector_length].

        Args:
            feature_vector_length: Number of frames T.
            attention_mask: Mask of samples [B, L], 1 where valid, padded on the right.
            add_adapter: As in `_get_feat_extract_output_lengths`.
        """
        lengths = self._get_feat_extract_output_lengths(attention_mask.sum(-1), add_adapter)
        return ~padding_mask_from_lengths(lengths, feature_vector_length)

    def begin(self, config: Wav2Vec2ConformerConfig) -> None:
        """Do for a network what transformers' constructor does for a model."""
        self.config = config
        self.base_model_prefix = config.model_type.replace("-", "_")  # as in files
