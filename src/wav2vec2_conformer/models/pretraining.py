"""`Wav2Vec2ConformerForPreTraining`: tell the true quantized frame from distractors.

Paper: Baevski et al. 2020, "wav2vec 2.0", https://arxiv.org/abs/2006.11477, Section 3.2.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.utils import ModelOutput

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import ConfigurationError, InputError
from wav2vec2_conformer.models.bare_network import Encoded
from wav2vec2_conformer.models.model import build_base
from wav2vec2_conformer.models.pretrained import Wav2Vec2ConformerPreTrainedModel
from wav2vec2_conformer.nn.contrastive import Contrast, compare_with_distractors
from wav2vec2_conformer.nn.dropout import Dropout
from wav2vec2_conformer.nn.gradient_scale import scale_gradient
from wav2vec2_conformer.nn.lengths import padding_mask_from_lengths
from wav2vec2_conformer.nn.quantizer import GumbelVectorQuantizer


class PretrainingCounts(NamedTuple):
    """What happened in a batch, as sums that add up over batches and processes."""

    num_masked: Tensor
    """Masked frames."""
    num_frames: Tensor
    """Frames without padding."""
    num_correct: Tensor
    """Masked frames whose target is more similar than every distractor."""
    num_equal: Tensor
    """Distractors left out because they have the codes of the target."""
    code_counts: Tensor
    """How often masked frames chose each entry, [codebooks, entries]."""


@dataclass
class Wav2Vec2ConformerForPreTrainingOutput(ModelOutput):
    """Result of pre-training's forward pass.

    Attributes:
        loss: Contrastive plus weighted diversity loss, summed over masked frames.
        projected_states: Predictions [B, T, proj_codevector_dim].
        projected_quantized_states: Quantized frames [B, T, proj_codevector_dim].
        codevector_perplexity: Effective number of codebook entries in use.
        hidden_states: See `Wav2Vec2ConformerModel.forward`.
        attentions: See `Wav2Vec2ConformerModel.forward`.
        contrastive_loss: Contrastive loss, summed over masked frames.
        diversity_loss: Share of codebook entries not in use, times masked frames.
        feature_penalty: Mean square of the feature encoder's output, times masked frames; only
            with a weight.
        counts: Accuracy and use of the codebooks, if asked for.
    """

    loss: Tensor | None = None
    projected_states: Tensor | None = None
    projected_quantized_states: Tensor | None = None
    codevector_perplexity: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
    contrastive_loss: Tensor | None = None
    diversity_loss: Tensor | None = None
    feature_penalty: Tensor | None = None
    counts: PretrainingCounts | None = None


class Wav2Vec2ConformerForPreTraining(Wav2Vec2ConformerPreTrainedModel):
    """The model with a quantizer and two projections.

    Two attributes change training as in fairseq; as they come, they change nothing.

    Args:
        config: Its configuration.

    Attributes:
        feature_gradient_scale: The feature encoder's gradient is multiplied by this.
        feature_penalty_weight: Weight of the mean square of the feature encoder's output in the
            loss, for each masked frame.

    Raises:
        ConfigurationError: The configuration has an adapter.
    """

    feature_gradient_scale: float = 1.0
    feature_penalty_weight: float = 0.0

    def __init__(self, config: Wav2Vec2ConformerConfig) -> None:
        super().__init__(config)
        if config.add_adapter:
            raise ConfigurationError(
                "pre-training compares frame by frame and does not take an adapter; set "
                "add_adapter=False"
            )
        setattr(self, self.base_model_prefix, build_base(config))
        self.dropout_features = Dropout(config.feat_quantizer_dropout)
        self.quantizer = GumbelVectorQuantizer(
            config.conv_dim[-1],
            num_groups=config.num_codevector_groups,
            num_entries=config.num_codevectors_per_group,
            codevector_dim=config.codevector_dim,
        )
        self.project_hid = nn.Linear(config.hidden_size, config.proj_codevector_dim)
        self.project_q = nn.Linear(config.codevector_dim, config.proj_codevector_dim)
        self.post_init()

    def set_gumbel_temperature(self, temperature: float) -> None:
        """Set the temperature of the Gumbel softmax; only training reads it.

        Raises:
            InputError: It is not above 0.
        """
        if not temperature > 0:
            raise InputError(f"the Gumbel temperature must be above 0, got {temperature}")
        self.quantizer.temperature = temperature

    @staticmethod
    def compute_contrastive_logits(
        target_features: Tensor,
        negative_features: Tensor,
        predicted_features: Tensor,
        temperature: float = 0.1,
    ) -> Tensor:
        """Return cosines over the temperature, the target's at index 0, as the paper has them.

        `forward` does the same without building the negatives.

        Args:
            target_features: True quantized frames [1, B, T, D].
            negative_features: Distractors [K, B, T, D].
            predicted_features: Predictions [B, T, D].
            temperature: Divisor of the cosines.

        Returns:
            Logits [K + 1, B, T].
        """
        candidates = torch.cat((target_features, negative_features), dim=0)
        cosines = F.cosine_similarity(predicted_features.float(), candidates.float(), dim=-1)
        return (cosines / temperature).type_as(candidates)

    def forward(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        mask_time_indices: Tensor | None = None,
        sampled_negative_indices: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        output_counts: bool = False,
    ) -> Wav2Vec2ConformerForPreTrainingOutput | tuple[Tensor, ...]:
        """Predict masked frames.

        Args:
            input_values: Waveforms [B, L]; see `Wav2Vec2ConformerModel.forward`.
            attention_mask: Mask of samples [B, L], 1 where valid.
            mask_time_indices: Masked frames [B, T] (nonzero: masked).
            sampled_negative_indices: Distractors [B, T, K] of each frame as indices into the
                flattened frames of the batch, of the same utterance; see
                `_sample_negative_indices`. Without them no loss is computed.
            output_attentions: See `Wav2Vec2ConformerModel.forward`.
            output_hidden_states: See `Wav2Vec2ConformerModel.forward`.
            return_dict: False: a tuple of what is there.
            output_counts: Whether to return `counts` with a loss.

        Raises:
            InputError: Negatives come without a mask, or of another utterance.
        """
        if sampled_negative_indices is not None and mask_time_indices is None:
            raise InputError(
                "sampled_negative_indices need mask_time_indices: the loss is taken at masked "
                "frames. Give both"
            )
        out, raw_features = self._encode(
            input_values,
            attention_mask,
            mask_time_indices,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        mask = out.mask_time_indices
        predictions = self.project_hid(out.last_hidden_state)
        quantized = self.quantizer(self.dropout_features(out.extract_features), mask)
        targets = self.project_q(quantized.codevectors.to(self.project_q.weight.dtype))
        loss = contrastive = diversity = penalty = counts = None
        if sampled_negative_indices is not None and mask is not None:
            contrast = compare_with_distractors(
                predictions,
                targets,
                quantized.codes,
                mask,
                _within_utterances(sampled_negative_indices, mask),
                temperature=self.config.contrastive_logits_temperature,
            )
            contrastive = contrast.loss
            num_masked = mask.sum()
            entries = self.config.num_codevectors_per_group * self.config.num_codevector_groups
            diversity = (entries - quantized.perplexity) / entries * num_masked
            loss = contrastive + self.config.diversity_loss_weight * diversity
            if self.feature_penalty_weight:
                penalty = _mean_square(raw_features, out.frame_lengths) * num_masked
                loss = loss + self.feature_penalty_weight * penalty
            if output_counts:
                counts = self._count(contrast, quantized.codes, mask, out.frame_lengths)
        result = Wav2Vec2ConformerForPreTrainingOutput(
            loss=loss,
            projected_states=predictions,
            projected_quantized_states=targets,
            codevector_perplexity=quantized.perplexity,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
            contrastive_loss=contrastive,
            diversity_loss=diversity,
            feature_penalty=penalty,
            counts=counts,
        )
        return_dict = self.config.return_dict if return_dict is None else return_dict
        return result if return_dict else result.to_tuple()

    def _encode(self, *inputs: Any, **options: Any) -> tuple[Encoded, Tensor]:
        """Return what the bare model does, and the feature encoder's output before its norm."""
        raw_features: list[Tensor] = []

        def keep(_module: nn.Module, _inputs: Any, features: Tensor) -> Tensor:
            if self.feature_gradient_scale != 1.0:
                features = scale_gradient(features, self.feature_gradient_scale)
            raw_features.append(features)
            return features

        hook = self._base().feature_extractor.register_forward_hook(keep)
        try:
            out = self._base().encode(*inputs, **options)
        finally:
            hook.remove()
        return out, raw_features[0]

    def _count(
        self, contrast: Contrast, codes: Tensor, mask: Tensor, frame_lengths: Tensor | None
    ) -> PretrainingCounts:
        chosen = F.one_hot(codes, self.config.num_codevectors_per_group)  # (B, T, G, E)
        num_frames = torch.tensor(mask.numel(), device=mask.device)
        return PretrainingCounts(
            num_masked=mask.sum(),
            num_frames=num_frames if frame_lengths is None else frame_lengths.sum(),
            num_correct=contrast.num_correct,
            num_equal=contrast.num_equal,
            code_counts=(chosen * mask[:, :, None, None]).sum(dim=(0, 1)),
        )


def _within_utterances(negatives: Tensor, mask: Tensor) -> Tensor:
    """Turn indices into the flattened frames of the batch into indices of each utterance's."""
    batch, num_frames = mask.shape
    if negatives.shape[:2] != mask.shape:
        raise InputError(
            "sampled_negative_indices must have the shape (batch, frames, negatives) = "
            f"{(batch, num_frames)} and a number, got {tuple(negatives.shape)}"
        )
    starts = torch.arange(batch, device=mask.device)[:, None, None] * num_frames
    frames = negatives.to(mask.device).long() - starts
    # Where no loss is taken, the indices do not matter and may be anything.
    frames = frames.where(mask[:, :, None], 0)
    # A look at values on another device would stall it.
    is_visible = mask.device.type == "cpu" and not torch.compiler.is_compiling()
    if is_visible and ((frames < 0) | (frames >= num_frames)).any():
        raise InputError(
            "sampled_negative_indices must point at frames of the same utterance "
            f"(utterance b: from b * {num_frames} to (b + 1) * {num_frames} - 1)"
        )
    return frames


def _mean_square(features: Tensor, frame_lengths: Tensor | None) -> Tensor:
    """Return the mean square of features [B, T, C] over all that is no padding."""
    squares = features.float().square().mean(dim=2)
    if frame_lengths is None:
        return squares.mean()
    padding = padding_mask_from_lengths(frame_lengths, features.shape[1])
    return squares.masked_fill(padding, 0.0).sum() / frame_lengths.sum()
