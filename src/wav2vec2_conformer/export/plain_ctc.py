"""A CTC model with recorded waveforms in, and log-probabilities for any greedy search out.

Shapes used in this file:
    B  utterances in the batch
    L  samples, padded to the longest utterance
    T  frames
    V  vocabulary
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.export.heads import LoadedHead
from wav2vec2_conformer.export.traced_head import SAMPLE_RATE_HZ, takes_features
from wav2vec2_conformer.nn.lengths import padding_mask_from_lengths

# Log-probability of what is surely not said, and still finite.
SURELY_NOT = -100.0
_VARIANCE_FLOOR = 1e-7  # of `audio.normalization`


class PlainCtc(nn.Module):
    """Waveforms as they were recorded to log-probabilities that any greedy search can read.

    The waveforms are normalized inside. Tokens that are no text count as the blank, and padded
    frames are surely blank, so that a program which counts one frame too many reads no letter
    there.

    Args:
        model: With a CTC head.
        normalizes: Whether the model wants zero mean and unit variance.
        order: The model's number of each column of the result, the blank's own among them.
        blank_id: The model's number of the blank.
        silent_ids: Its numbers of other tokens that are no text.
    """

    order: Tensor
    is_silent: Tensor
    is_blank: Tensor

    def __init__(
        self,
        model: Any,
        *,
        normalizes: bool,
        order: Sequence[int],
        blank_id: int,
        silent_ids: Sequence[int],
    ) -> None:
        super().__init__()
        self.model = model
        self.normalizes = normalizes
        is_silent = torch.zeros(len(order), dtype=torch.bool)
        is_silent[[blank_id, *silent_ids]] = True
        is_blank = torch.arange(len(order)) == blank_id
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.register_buffer("is_silent", is_silent, persistent=False)
        self.register_buffer("is_blank", is_blank, persistent=False)

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return natural logarithms (B, T, V).

        Args:
            waveforms: Samples (B, L).
            lengths: Valid samples of each, (B,), int64. None: all are valid.
        """
        padding = None
        if lengths is not None:
            padding = padding_mask_from_lengths(lengths, waveforms.shape[1])
        if self.normalizes:
            waveforms = normalize(waveforms, padding)
        mask = None if padding is None else (~padding).long()
        logits = self.model(waveforms, attention_mask=mask, return_dict=True).logits
        log_probs = self._silence(logits.log_softmax(dim=2))
        if lengths is not None:
            frames = self.model._get_feat_extract_output_lengths(lengths)  # noqa: SLF001
            unheard = padding_mask_from_lengths(frames, log_probs.shape[1])[:, :, None]
            surely_blank = torch.where(self.is_blank, 0.0, SURELY_NOT)
            log_probs = torch.where(unheard, surely_blank, log_probs)
        return log_probs.index_select(2, self.order)

    def _silence(self, log_probs: Tensor) -> Tensor:
        """Make the blank as probable as the best token without text, and these surely not said.

        So the blank is a frame's best token where one of them was, and nowhere else.
        """
        blank = log_probs.masked_fill(~self.is_silent, SURELY_NOT).amax(2, keepdim=True)
        spoken = log_probs.masked_fill(self.is_silent, SURELY_NOT)
        return torch.where(self.is_blank, blank, spoken)


def normalize(waveforms: Tensor, padding: Tensor | None) -> Tensor:
    """Return waveforms (B, L) of zero mean and unit variance, with zeros in the padding.

    Args:
        waveforms: Samples (B, L).
        padding: True where a sample is padding, (B, L). None: nowhere.
    """
    if padding is None:
        centred = waveforms - waveforms.mean(dim=1, keepdim=True)
        return centred / (centred.square().mean(dim=1, keepdim=True) + _VARIANCE_FLOOR).sqrt()
    count = (~padding).sum(dim=1, keepdim=True).clamp(min=1)
    mean = waveforms.masked_fill(padding, 0.0).sum(dim=1, keepdim=True) / count
    centred = (waveforms - mean).masked_fill(padding, 0.0)
    variance = centred.square().sum(dim=1, keepdim=True) / count
    return centred / (variance + _VARIANCE_FLOOR).sqrt()


def build_plain_ctc(head: LoadedHead, order: Sequence[int], program: str) -> PlainCtc:
    """Return a CTC model as other programs want it.

    Args:
        head: The model.
        order: See `PlainCtc`.
        program: What to call the program in messages.

    Raises:
        InputError: The model is not one of 16 kHz waveforms with a CTC head.
    """
    if head.name != "ctc" or takes_features(head.model):
        what = "log-mel features" if head.name == "ctc" else f"the head {head.name}"
        raise InputError(
            f"{program} runs CTC models of waveforms; this one has {what}. Use the layout "
            "transformers."
        )
    rate_hz = int(head.feature_extractor.sampling_rate)
    if rate_hz != SAMPLE_RATE_HZ:
        raise InputError(
            f"{program} gives models {SAMPLE_RATE_HZ} Hz, and this one hears {rate_hz} Hz. Use "
            "the layout transformers."
        )
    tokenizer = head.preprocessing.tokenizer
    delimiter_id = tokenizer.convert_tokens_to_ids(tokenizer.word_delimiter_token)
    blank_id: int = head.model.config.pad_token_id
    special = {number for number in tokenizer.all_special_ids if number < len(order)}
    return PlainCtc(
        head.model,
        normalizes=bool(head.feature_extractor.do_normalize),
        order=list(order),
        blank_id=blank_id,
        silent_ids=sorted(special - {blank_id, delimiter_id}),
    ).eval()
