"""`Wav2Vec2ConformerForAudioFrameClassification`: labels of each frame (diarization)."""

import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import TokenClassifierOutput

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import ConfigurationError, InputError
from wav2vec2_conformer.models.layer_sum import build_layer_weights, encode_for_head
from wav2vec2_conformer.models.model import Wav2Vec2ConformerModel
from wav2vec2_conformer.models.pretrained import Wav2Vec2ConformerPreTrainedModel
from wav2vec2_conformer.nn.lengths import padding_mask_from_lengths


class Wav2Vec2ConformerForAudioFrameClassification(Wav2Vec2ConformerPreTrainedModel):
    """The model with a linear layer over each frame.

    Args:
        config: Its configuration.

    Raises:
        ConfigurationError: The configuration has an adapter.
    """

    def __init__(self, config: Wav2Vec2ConformerConfig) -> None:
        super().__init__(config)
        if config.add_adapter:
            raise ConfigurationError(
                "frame classification does not take an adapter; set add_adapter=False"
            )
        self.num_labels = config.num_labels
        self.wav2vec2_conformer = Wav2Vec2ConformerModel(config)
        self.layer_weights = build_layer_weights(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> TokenClassifierOutput | tuple[Tensor, ...]:
        """Score the labels of each frame.

        Args:
            input_values: Waveforms [B, L]; see `Wav2Vec2ConformerModel.forward`.
            attention_mask: Mask of samples [B, L], 1 where valid.
            labels: Zeros and ones [B, T, num_labels]. By default the loss is a softmax over the
                label that is set, as in the reference implementation; it fits one speaker at a
                time. With `config.problem_type = "multi_label_classification"` each label is
                judged on its own, which fits overlapped speech and silence. Padded frames and
                frames with a label below 0 do not count.
            output_attentions: See `Wav2Vec2ConformerModel.forward`.
            output_hidden_states: See `Wav2Vec2ConformerModel.forward`.
            return_dict: False: a tuple (loss if there are labels, logits, ...).

        Returns:
            Logits [B, T, num_labels] and, with labels, the mean loss of a frame.

        Raises:
            InputError: Labels do not have the shape of the logits.
        """
        frames, lengths, out = encode_for_head(
            self.wav2vec2_conformer,
            self.layer_weights,
            input_values,
            attention_mask,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        logits = self.classifier(frames)
        loss = None
        if labels is not None:
            if labels.shape != logits.shape:
                raise InputError(
                    "labels must have the shape (batch, frames, num_labels) = "
                    f"{tuple(logits.shape)}, got {tuple(labels.shape)}"
                )
            loss = self._loss(logits, labels.to(logits.device), lengths)
        result = TokenClassifierOutput(
            loss=loss,
            logits=logits,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )
        return_dict = self.config.return_dict if return_dict is None else return_dict
        return result if return_dict else result.to_tuple()

    def _loss(self, logits: Tensor, labels: Tensor, frame_lengths: Tensor | None) -> Tensor:
        counted = (labels >= 0).all(dim=2)  # (B, T)
        if frame_lengths is not None and self.config.exact_padding:
            counted &= ~padding_mask_from_lengths(frame_lengths, logits.shape[1])
        if self.config.problem_type == "multi_label_classification":
            losses = F.binary_cross_entropy_with_logits(
                logits.float(), labels.clamp(min=0).float(), reduction="none"
            ).mean(dim=2)
        else:
            losses = F.cross_entropy(
                logits.float().transpose(1, 2), labels.argmax(dim=2), reduction="none"
            )
        return (losses * counted).sum() / counted.sum().clamp(min=1)
