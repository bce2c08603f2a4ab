"""`Wav2Vec2ConformerForAudioFrameClassification`: labels of each frame (diarization)."""

import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import TokenClassifierOutput

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import ConfigurationError, InputError
from wav2vec2_conformer.models.layer_sum import build_layer_weights, encode_for_head
from wav2vec2_conformer.models.model import build_base
from wav2vec2_conformer.models.pretrained import Wav2Vec2ConformerPreTrainedModel
from wav2vec2_conformer.nn.frame_losses import multilabel_loss, powerset_loss
from wav2vec2_conformer.nn.lengths import padding_mask_from_lengths
from wav2vec2_conformer.nn.powerset import build_powerset, count_speakers


class Wav2Vec2ConformerForAudioFrameClassification(Wav2Vec2ConformerPreTrainedModel):
    """The model with a linear layer over each frame.

    Three kinds of labels, by the configuration:

    - One label a frame, by default, as in the reference implementation.
    - Any number of labels a frame: `problem_type="multi_label_classification"`. One label is
      voice activity, several are classes of sound, or speakers who may overlap.
    - Sets of speakers: `max_simultaneous_speakers=k`. Each logit is a set of at most k of S
      speakers (`nn.powerset`); `num_labels` is the number of sets, which tells S.

    For the last two, `permutation_invariant_loss=True` says that labels are speakers in no
    order: speaker 0 of one training example has nothing to do with speaker 0 of another. Both
    settings go into the configuration like any other: `Wav2Vec2ConformerConfig(num_labels=7,
    max_simultaneous_speakers=2, permutation_invariant_loss=True)`.

    Args:
        config: Its configuration.

    Attributes:
        powerset: Which of the S speakers each of the C logits holds, [C, S]; None where logits
            are no sets.

    Raises:
        ConfigurationError: The configuration has an adapter, or its `num_labels` is no number
            of sets.
    """

    def __init__(self, config: Wav2Vec2ConformerConfig) -> None:
        super().__init__(config)
        if config.add_adapter:
            raise ConfigurationError(
                "frame classification does not take an adapter; set add_adapter=False"
            )
        self.num_labels = config.num_labels
        self.powerset = _build_powerset(config)
        setattr(self, self.base_model_prefix, build_base(config))
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
            labels: Zeros and ones [B, T, num_labels], or [B, T, S] where logits are sets of S
                speakers. By default the loss is a softmax over the label that is set, as in the
                reference implementation; it fits one speaker at a time. With
                `config.problem_type = "multi_label_classification"` each label is judged on its
                own, and with sets the loss is a softmax over these: both fit overlapped speech
                and silence. Padded frames and frames with a label below 0 do not count.
            output_attentions: See `Wav2Vec2ConformerModel.forward`.
            output_hidden_states: See `Wav2Vec2ConformerModel.forward`.
            return_dict: False: a tuple (loss if there are labels, logits, ...).

        Returns:
            Logits [B, T, num_labels] and, with labels, the mean loss of a frame.

        Raises:
            InputError: Labels do not have the shape of the logits.
        """
        frames, lengths, out = encode_for_head(
            self._base(),
            self.layer_weights,
            input_values,
            attention_mask,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        logits = self.classifier(frames)
        loss = None
        if labels is not None:
            expected = (*logits.shape[:2], self.num_targets)
            if labels.shape != expected:
                name = "num_labels" if self.powerset is None else "speakers"
                raise InputError(
                    f"labels must have the shape (batch, frames, {name}) = "
                    f"{tuple(expected)}, got {tuple(labels.shape)}"
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

    @property
    def num_targets(self) -> int:
        """Columns of `labels`: speakers where logits are sets of them, else labels."""
        return self.num_labels if self.powerset is None else self.powerset.shape[1]

    def _loss(self, logits: Tensor, labels: Tensor, frame_lengths: Tensor | None) -> Tensor:
        counted = (labels >= 0).all(dim=2)  # (B, T)
        if frame_lengths is not None and self.config.exact_padding:
            counted &= ~padding_mask_from_lengths(frame_lengths, logits.shape[1])
        is_invariant = bool(self.config.permutation_invariant_loss)
        if self.powerset is not None:
            return powerset_loss(
                logits,
                labels.float(),
                counted,
                self.powerset,
                is_permutation_invariant=is_invariant,
            )
        if self.config.problem_type == "multi_label_classification":
            return multilabel_loss(
                logits, labels.float(), counted, is_permutation_invariant=is_invariant
            )
        losses = F.cross_entropy(
            logits.float().transpose(1, 2), labels.argmax(dim=2), reduction="none"
        )
        return (losses * counted).sum() / counted.sum().clamp(min=1)


def _build_powerset(config: Wav2Vec2ConformerConfig) -> Tensor | None:
    """Return which speakers each logit holds; None where the configuration names no sets.

    Raises:
        ConfigurationError: Sets that cannot be, or an order of labels that no loss is free of.
    """
    max_simultaneous = config.max_simultaneous_speakers
    if max_simultaneous is None:
        is_multilabel = config.problem_type == "multi_label_classification"
        if config.permutation_invariant_loss and not is_multilabel:
            raise ConfigurationError(
                "permutation_invariant_loss needs speakers that are judged one by one "
                '(problem_type="multi_label_classification") or in sets '
                "(max_simultaneous_speakers)"
            )
        return None
    try:
        num_speakers = count_speakers(config.num_labels, max_simultaneous)
        return build_powerset(num_speakers, max_simultaneous)
    except InputError as error:
        raise ConfigurationError(f"num_labels and max_simultaneous_speakers: {error}") from error
