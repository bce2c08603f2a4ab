"""`Wav2Vec2ConformerForPreTraining`: tell the true quantized frame from distractors.

Paper: Baevski et al. 2020, "wav2vec 2.0", https://arxiv.org/abs/2006.11477, Section 3.2.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.utils import ModelOutput

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import ConfigurationError, InputError
from wav2vec2_conformer.models.model import Wav2Vec2ConformerModel
from wav2vec2_conformer.models.pretrained import Wav2Vec2ConformerPreTrainedModel
from wav2vec2_conformer.nn.quantizer import GumbelVectorQuantizer


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
    """

    loss: Tensor | None = None
    projected_states: Tensor | None = None
    projected_quantized_states: Tensor | None = None
    codevector_perplexity: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
    contrastive_loss: Tensor | None = None
    diversity_loss: Tensor | None = None


class Wav2Vec2ConformerForPreTraining(Wav2Vec2ConformerPreTrainedModel):
    """The model with a quantizer and two projections.

    Args:
        config: Its configuration.

    Raises:
        ConfigurationError: The configuration has an adapter.
    """

    def __init__(self, config: Wav2Vec2ConformerConfig) -> None:
        super().__init__(config)
        if config.add_adapter:
            raise ConfigurationError(
                "pre-training compares frame by frame and does not take an adapter; set "
                "add_adapter=False"
            )
        self.wav2vec2_conformer = Wav2Vec2ConformerModel(config)
        self.dropout_features = nn.Dropout(config.feat_quantizer_dropout)
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

        Raises:
            InputError: Negatives come without a mask, or of another utterance.
        """
        if sampled_negative_indices is not None and mask_time_indices is None:
            raise InputError(
                "sampled_negative_indices need mask_time_indices: the loss is taken at masked "
                "frames. Give both"
            )
        out = self.wav2vec2_conformer.encode(
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
        loss = contrastive = diversity = None
        if sampled_negative_indices is not None and mask is not None:
            contrastive = self._contrastive_loss(
                predictions, targets, quantized.codes, mask, sampled_negative_indices
            )
            entries = self.config.num_codevectors_per_group * self.config.num_codevector_groups
            diversity = (entries - quantized.perplexity) / entries * mask.sum()
            loss = contrastive + self.config.diversity_loss_weight * diversity
        result = Wav2Vec2ConformerForPreTrainingOutput(
            loss=loss,
            projected_states=predictions,
            projected_quantized_states=targets,
            codevector_perplexity=quantized.perplexity,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
            contrastive_loss=contrastive,
            diversity_loss=diversity,
        )
        return_dict = self.config.return_dict if return_dict is None else return_dict
        return result if return_dict else result.to_tuple()

    def _contrastive_loss(
        self,
        predictions: Tensor,
        targets: Tensor,
        codes: Tensor,
        mask: Tensor,
        negatives: Tensor,
    ) -> Tensor:
        """Return the cross entropy at masked frames, summed.

        All cosines of an utterance's masked frames with its frames are one matrix product, from
        which the distractors' are picked: no distractor is ever copied.
        """
        batch, num_frames, _ = targets.shape
        negatives = negatives.to(mask.device).long()
        if negatives.shape[:2] != (batch, num_frames):
            raise InputError(
                "sampled_negative_indices must have the shape (batch, frames, negatives) = "
                f"{(batch, num_frames)} and a number, got {tuple(negatives.shape)}"
            )
        predictions = F.normalize(predictions.float(), dim=2, eps=1e-8)
        targets = F.normalize(targets.float(), dim=2, eps=1e-8)
        # one number per combination of codebook entries
        bases = self.config.num_codevectors_per_group ** torch.arange(
            codes.shape[2], device=codes.device
        )
        codes = (codes * bases).sum(dim=2)  # (B, T)
        total = predictions.new_zeros(())
        for index in range(batch):
            frames = mask[index].nonzero()[:, 0]  # (N,)
            if len(frames) == 0:
                continue
            drawn = negatives[index, frames] - index * num_frames  # (N, K)
            if int(drawn.min()) < 0 or int(drawn.max()) >= num_frames:
                raise InputError(
                    "sampled_negative_indices must point at frames of the same utterance "
                    f"(utterance b: from b * {num_frames} to (b + 1) * {num_frames} - 1)"
                )
            cosines = predictions[index, frames] @ targets[index].T  # (N, T)
            candidates = torch.cat((frames[:, None], drawn), dim=1)  # (N, K + 1), true one first
            logits = cosines.gather(1, candidates) / self.config.contrastive_logits_temperature
            same = codes[index][drawn] == codes[index][frames][:, None]
            logits[:, 1:] = logits[:, 1:].masked_fill(same, float("-inf"))
            truth = torch.zeros_like(frames)
            total = total + F.cross_entropy(logits, truth, reduction="sum")
        return total
