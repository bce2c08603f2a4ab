"""`Wav2Vec2ConformerForCTC`: characters (or other tokens) per frame.

Paper: Graves et al. 2006, "Connectionist temporal classification",
https://www.cs.toronto.edu/~graves/icml_2006.pdf.
"""

import re
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import CausalLMOutput

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import ConfigurationError, InputError
from wav2vec2_conformer.models.adapters import init_adapters, put_adapter, read_adapter
from wav2vec2_conformer.models.model import build_base
from wav2vec2_conformer.models.pretrained import Wav2Vec2ConformerPreTrainedModel
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


class Wav2Vec2ConformerForCTC(Wav2Vec2ConformerPreTrainedModel):
    """The model with a linear layer over each frame, for speech recognition.

    Args:
        config: Its configuration; `vocab_size` must be set.
        target_lang: Language whose adapter and output layer are loaded (`load_adapter`).

    Attributes:
        target_lang: Language that was loaded last; None before that.

    Raises:
        ConfigurationError: There is no vocabulary size, or a `target_lang` is given and the
            model has no language adapters (`config.adapter_attn_dim`).
    """

    def __init__(self, config: Wav2Vec2ConformerConfig, target_lang: str | None = None) -> None:
        super().__init__(config)
        self.target_lang: str | None = None
        if config.vocab_size is None:
            raise ConfigurationError(
                "the CTC head needs config.vocab_size, the number of tokens; it is None. Set it "
                "to len(tokenizer)"
            )
        setattr(self, self.base_model_prefix, build_base(config))
        self.dropout = Dropout(config.final_dropout)
        self.lm_head = nn.Linear(
            config.output_hidden_size if config.add_adapter else config.hidden_size,
            config.vocab_size,
        )
        self.post_init()
        if target_lang is not None:
            self.load_adapter(target_lang)

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: Any, *model_args: Any, **kwargs: Any
    ) -> Any:
        """Load a checkpoint; see `Wav2Vec2ConformerPreTrainedModel.from_pretrained`.

        Args:
            pretrained_model_name_or_path: Folder or name.
            *model_args: `target_lang`, which may also be given by name.
            **kwargs: As there. With `target_lang`, that language's adapter is loaded at once;
                `adapter_attn_dim` gives new adapters to a model that has none.
        """
        target_lang = kwargs.pop("target_lang", model_args[0] if model_args else None)
        loaded = super().from_pretrained(pretrained_model_name_or_path, **kwargs)
        if target_lang is not None:
            (loaded[0] if isinstance(loaded, tuple) else loaded).load_adapter(target_lang)
        return loaded

    def load_adapter(self, target_lang: str, force_load: bool = True, **kwargs: Any) -> Any:
        """Put the adapter and output layer of a language in place of the present ones.

        They are read from `adapter.{target_lang}.safetensors` beside the model. The tokenizer
        changes with its own `set_target_lang`. A model without language adapters loads an
        adapter of peft instead, as every model of transformers does.

        Args:
            target_lang: The language; for peft, a folder or a name on the hub.
            force_load: Whether to read the file again when the language is the present one.
            **kwargs: `cache_dir`, `local_files_only`, `revision`, ...; those of
                `transformers.PreTrainedModel.load_adapter` for peft.

        Raises:
            CheckpointError: There is no such file, or it does not fit the model.
            ConfigurationError: The model has no language adapters, and this is no path.
        """
        if self.config.adapter_attn_dim is None:
            if re.fullmatch(r"[\w-]+", target_lang) and not Path(target_lang).exists():
                raise ConfigurationError(
                    f"target_lang={target_lang!r}: this model has no language adapters "
                    "(config.adapter_attn_dim is None). Load a checkpoint of that language, or "
                    "train an adapter on this one"
                )
            return super().load_adapter(target_lang, **kwargs)
        if force_load or target_lang != self.target_lang:
            tensors = read_adapter(self.name_or_path, target_lang, **kwargs)
            put_adapter(self, tensors, f"adapter {target_lang!r}")
            self.target_lang = target_lang
        return None

    def init_adapter_layers(self) -> None:
        """Draw new adapters, which change nothing at first, and a new output layer."""
        init_adapters(self)
        self.target_lang = None

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
