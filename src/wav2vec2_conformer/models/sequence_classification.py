"""`Wav2Vec2ConformerForSequenceClassification`: one label, several, or numbers per clip."""

import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import ConfigurationError, InputError
from wav2vec2_conformer.models.layer_sum import build_layer_weights, encode_for_head
from wav2vec2_conformer.models.model import build_base
from wav2vec2_conformer.models.pretrained import Wav2Vec2ConformerPreTrainedModel
from wav2vec2_conformer.nn.lengths import padding_mask_from_lengths


class Wav2Vec2ConformerForSequenceClassification(Wav2Vec2ConformerPreTrainedModel):
    """The model with a linear layer over the mean of the frames.

    Args:
        config: Its configuration.

    Raises:
        ConfigurationError: The configuration has an adapter.
    """

    def __init__(self, config: Wav2Vec2ConformerConfig) -> None:
        super().__init__(config)
        if config.add_adapter:
            raise ConfigurationError(
                "sequence classification does not take an adapter; set add_adapter=False"
            )
        setattr(self, self.base_model_prefix, build_base(config))
        self.layer_weights = build_layer_weights(config)
        self.projector = nn.Linear(config.hidden_size, config.classifier_proj_size)
        self.classifier = nn.Linear(config.classifier_proj_size, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        labels: Tensor | None = None,
    ) -> SequenceClassifierOutput | tuple[Tensor, ...]:
        """Score the labels of each clip.

        Args:
            input_values: Waveforms [B, L]; see `Wav2Vec2ConformerModel.forward`.
            attention_mask: Mask of samples [B, L], 1 where valid.
            output_attentions: See `Wav2Vec2ConformerModel.forward`.
            output_hidden_states: See `Wav2Vec2ConformerModel.forward`.
            return_dict: False: a tuple (loss if there are labels, logits, ...).
            labels: As `config.problem_type` says: class indices [B]
                (`"single_label_classification"`), zeros and ones [B, num_labels]
                (`"multi_label_classification"`) or numbers [B] or [B, num_labels]
                (`"regression"`). Without a `problem_type`: regression if `num_labels` is 1,
                else single-label for integers and multi-label for floats.

        Returns:
            Logits [B, num_labels] and, with labels, the loss.

        Raises:
            InputError: Labels do not have the shape that the problem type asks for.
        """
        frames, lengths, out = encode_for_head(
            self._base(),
            self.layer_weights,
            input_values,
            attention_mask,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        projected = self.projector(frames)
        if lengths is None:
            pooled = projected.mean(dim=1)
        else:
            padding = padding_mask_from_lengths(lengths, projected.shape[1])
            total = projected.masked_fill(padding[:, :, None], 0.0).sum(dim=1)
            pooled = total / lengths.clamp(min=1)[:, None].to(total.dtype)
        logits = self.classifier(pooled)
        loss = None if labels is None else self._loss(logits, labels.to(logits.device))
        result = SequenceClassifierOutput(
            loss=loss,
            logits=logits,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )
        return_dict = self.config.return_dict if return_dict is None else return_dict
        return result if return_dict else result.to_tuple()

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        num_labels = self.config.num_labels
        problem = self.config.problem_type
        if problem is None:
            if num_labels == 1:
                problem = "regression"
            elif labels.is_floating_point():
                problem = "multi_label_classification"
            else:
                problem = "single_label_classification"
        logits = logits.float()
        if problem == "single_label_classification":
            if labels.numel() != len(logits):
                raise InputError(
                    f"single-label classification takes one class index per clip, {len(logits)} "
                    f"in all; got labels of the shape {tuple(labels.shape)}"
                )
            return F.cross_entropy(logits, labels.flatten().long())
        if labels.numel() != logits.numel():
            raise InputError(
                f"{problem} takes labels of the shape {tuple(logits.shape)} (one number per "
                f"clip and label), got {tuple(labels.shape)}"
            )
        targets = labels.reshape(logits.shape).float()
        if problem == "regression":
            return F.mse_loss(logits, targets)
        return F.binary_cross_entropy_with_logits(logits, targets)
