"""The CTC model's parts and what they compute, without transformers' loading and saving.

Paper: Graves et al. 2006, "Connectionist temporal classification",
https://www.cs.toronto.edu/~graves/icml_2006.pdf.
"""

import warnings

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import CausalLMOutput

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import ConfigurationError, InputError
from wav2vec2_conformer.models.bare_network import BareNetwork, build_bare_network
from wav2vec2_conformer.models.network import Network
from wav2vec2_conformer.nn.dropout import Dropout


def count_frames_needed(labels: Tensor) -> Tensor:
    """Return how many frames CTC needs at least for each row of labels, [B].

    One for each label, and one blank between equal neighbours.

    Args:
        labels: Labels [B, U], packed to the left; below 0 is padding.
    """
    valid = labels >= 0
    repeated = (labels[:, 1:] == labels[:, :-1]) & valid[:, 1:]
    return valid.sum(1) + repeated.sum(1)


class CtcNetwork(Network):
    """Scores of tokens for each frame; see `Wav2Vec2ConformerForCTC`, which is one of these."""

    def build_parts(self, config: Wav2Vec2ConformerConfig) -> None:
        """Make what the configuration describes."""
        if config.vocab_size is None:
            raise ConfigurationError(
                "the CTC head needs config.vocab_size, the number of tokens; it is None. Set it "
                "to len(tokenizer)"
            )
        setattr(self, self.base_model_prefix, self._build_base(config))
        self.dropout = Dropout(config.final_dropout)
        self.lm_head = nn.Linear(
            config.output_hidden_size if config.add_adapter else config.hidden_size,
            config.vocab_size,
        )

    def _build_base(self, config: Wav2Vec2ConformerConfig) -> BareNetwork:
        return build_bare_network(config)

    def forward(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        labels: Tensor | None = None,
    ) -> CausalLMOutput | tuple[Tensor, ...]:
        """Score tokens.

        Args:
            input_values: Waveforms [B, L]; see `Wav2Vec2ConformerModel.forward`.
            attention_mask: Mask of samples [B, L], 1 where valid.
            output_attentions: See `Wav2Vec2ConformerModel.forward`.
            output_hidden_states: See `Wav2Vec2ConformerModel.forward`.
            return_dict: False: a tuple (loss if there are labels, logits, ...).
            labels: Token ids [B, U]; every value below 0 is ignored.

        Returns:
            Logits [B, T, vocab_size] and, with labels, the loss (always in float32).

        Raises:
            InputError: A label is the blank or not in the vocabulary.
        """
        if labels is not None:
            labels = self._check_labels(labels)
        out = self._base().encode(
            input_values,
            attention_mask,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        logits = self.lm_head(self.dropout(out.last_hidden_state))
        loss = None
        if labels is not None:
            lengths = out.output_lengths
            if lengths is None:
                lengths = torch.full((logits.shape[0],), logits.shape[1], device=logits.device)
            loss = self._loss(logits, lengths, labels.to(logits.device))
        result = CausalLMOutput(
            loss=loss,
            logits=logits,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )
        return_dict = self.config.return_dict if return_dict is None else return_dict
        return result if return_dict else result.to_tuple()

    def _check_labels(self, labels: Tensor) -> Tensor:
        if labels.dim() != 2:  # noqa: PLR2004 - batch and labels
            raise InputError(
                f"labels must have the shape (batch, labels), got {tuple(labels.shape)}"
            )
        if labels.shape[1] == 0:
            labels = F.pad(labels, (0, 1), value=-100)
        if torch.compiler.is_compiling():
            return labels
        vocab_size = self.lm_head.out_features
        if (labels >= vocab_size).any():
            raise InputError(
                f"labels must be below vocab_size={vocab_size}, got "
                f"{int(labels.max())}. Is the tokenizer the one of this model?"
            )
        if (labels == self.config.pad_token_id).any():
            raise InputError(
                f"labels must not hold {self.config.pad_token_id}, the blank of CTC "
                "(config.pad_token_id). Pad labels with -100"
            )
        return labels

    def _loss(self, logits: Tensor, lengths: Tensor, labels: Tensor) -> Tensor:
        config = self.config
        # Ignored labels may stand anywhere; CTC wants the others at the front.
        labels = labels.gather(1, (labels < 0).to(torch.uint8).argsort(dim=1, stable=True))
        if not torch.compiler.is_compiling():
            infeasible = int((count_frames_needed(labels) > lengths).sum())
            if infeasible:
                effect = (
                    "their loss counts as 0 (ctc_zero_infinity)"
                    if config.ctc_zero_infinity
                    else "the loss is infinite; leave them out or set ctc_zero_infinity=True"
                )
                warnings.warn(
                    f"{infeasible} of {len(labels)} targets need more frames than their audio "
                    f"has: {effect}",
                    stacklevel=3,
                )
        device_type = logits.device.type
        with (
            torch.autocast(device_type, enabled=False),
            torch.backends.cudnn.flags(enabled=False),
        ):
            return F.ctc_loss(
                logits.float().log_softmax(dim=2).transpose(0, 1),  # (T, B, V)
                labels.clamp(min=0),
                lengths,
                (labels >= 0).sum(1),
                blank=config.pad_token_id,
                reduction=config.ctc_loss_reduction,
                zero_infinity=config.ctc_zero_infinity,
            )


def build_ctc_network(config: Wav2Vec2ConformerConfig) -> CtcNetwork:
    """Return a network that is no model of transformers.

    Raises:
        ConfigurationError: There is no vocabulary size.
    """
    network = CtcNetwork()
    network.begin(config)
    network.build_parts(config)
    return network
