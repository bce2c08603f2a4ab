"""Waveforms in the form that a model takes them: as they are, or as log-mel features.

Shapes used in this file:
    B  windows in a batch
    L  samples
    T  frames
    C  features of a frame
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from wav2vec2_conformer.configuration import Wav2Vec2BertConfig
from wav2vec2_conformer.models.network import Network
from wav2vec2_conformer.nn.lengths import padding_mask_from_lengths
from wav2vec2_conformer.nn.log_mel import SPECTRA_PER_FRAME, BandMoments


def num_mel_bands(model: Network) -> int | None:
    """Return the bands of the log-mel features that a model hears; None if it hears samples."""
    if not isinstance(model.config, Wav2Vec2BertConfig):
        return None
    return model.config.feature_projection_input_dim // SPECTRA_PER_FRAME


def to_model_inputs(
    model: Network,
    waveforms: Tensor,
    mask: Tensor,
    moments: Sequence[BandMoments | None] = (),
) -> tuple[Tensor, Tensor | None]:
    """Return a batch on the model's device and in its precision.

    Log-mel features are computed before samples lose precision: quiet bands beside loud ones
    would not outlive a half-precision waveform.

    Args:
        model: On its device.
        waveforms: Samples (B, L) in float32.
        mask: 1 where valid, (B, L).
        moments: What the log-mel features of each window are normalised with, those of the
            recording it is of; not used by models of waveforms. Empty, or None for a window:
            its own.

    Returns:
        Waveforms (B, L) and their mask or, of a model of log-mel features, features (B, T, C)
        and the mask of frames (B, T). On a GPU None in place of a mask that hides nothing:
        there the fastest attention takes no mask, and looking whether one hides something would
        wait for the GPU.
    """
    hides_nothing = model.device.type != "cpu" and bool(mask.all())
    mask = mask.to(model.device)
    if num_mel_bands(model) is None:
        return waveforms.to(model.device, model.dtype), None if hides_nothing else mask
    front_end: Any = model.base_model.feature_extractor
    lengths = mask.sum(1)
    known = [m for m in moments if m is not None]
    stacked = None
    if known and len(known) == len(waveforms):
        means, scales = (torch.cat(parts) for parts in zip(*known, strict=True))
        stacked = BandMoments(means.to(model.device), scales.to(model.device))
    features = front_end(waveforms.to(model.device), lengths, stacked)
    frames = front_end.output_lengths(lengths)
    valid = ~padding_mask_from_lengths(frames, features.shape[1])
    return features.to(model.dtype), None if hides_nothing else valid.long()
