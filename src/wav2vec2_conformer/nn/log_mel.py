"""Log-mel front end: waveform to normalised log energies of mel bands, as in Kaldi.

What Wav2Vec2-BERT hears in place of a feature encoder's output. A spectrum is taken of 25 ms
every 10 ms; two spectra side by side are the features of one frame of 20 ms.

Sources: Kaldi's filter banks, https://kaldi-asr.org/doc/feat.html; Barrault et al. 2023,
"Seamless", https://arxiv.org/abs/2312.05187, Section 3.2.1 (its place in the model).

Shapes used in this file:
    B  utterances in the batch
    L  samples of the waveform at 16 kHz, padded to the longest utterance
    S  spectra, one every 160 samples
    M  mel bands
    T  frames, two spectra each
    C  features of a frame, 2M
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from wav2vec2_conformer.nn.lengths import conv_output_lengths, padding_mask_from_lengths

SAMPLE_RATE_HZ = 16_000
WINDOW_SAMPLES = 400
SPECTRUM_HOP_SAMPLES = 160
SPECTRA_PER_FRAME = 2
FRAME_HOP_SAMPLES = SPECTRA_PER_FRAME * SPECTRUM_HOP_SAMPLES

_FFT_SAMPLES = 512
_LOWEST_HZ = 20.0
_PREEMPHASIS = 0.97
_POVEY_EXPONENT = 0.85
_PCM_SCALE = 2.0**15  # Kaldi's samples are 16-bit integers
_ENERGY_FLOOR = 2.0**-23
_VARIANCE_FLOOR = 1e-7
# Spectra computed at a time: an hour's at once would take gigabytes.
_BLOCK_SPECTRA = 3_000


class BandMoments(NamedTuple):
    """What log energies are normalised with."""

    mean: Float[Tensor, "B M"]
    scale: Float[Tensor, "B M"]


def spectrum_counts(lengths: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """Return the number of spectra that are taken of `lengths` samples."""
    return conv_output_lengths(lengths, kernel_size=WINDOW_SAMPLES, stride=SPECTRUM_HOP_SAMPLES)


def mel_filters(num_bands: int, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "F M"]:
    """Return the weights of a spectrum's bins in each band: triangles on the mel scale.

    Neighbouring triangles overlap by half. Together they reach from 20 Hz to half the rate.
    """
    lowest, highest = (_mel(torch.tensor(hz)) for hz in (_LOWEST_HZ, SAMPLE_RATE_HZ / 2))
    corners = torch.linspace(0.0, 1.0, num_bands + 2, dtype=torch.float64)
    corners = lowest + corners * (highest - lowest)
    bins = torch.arange(_FFT_SAMPLES // 2 + 1, dtype=torch.float64)
    bins = _mel(bins * (SAMPLE_RATE_HZ / _FFT_SAMPLES))[:, None]  # (F, 1)
    rising = (bins - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - bins) / (corners[2:] - corners[1:-1])
    return torch.minimum(rising, falling).clamp(min=0.0).to(device, dtype)


def _mel(hz: Tensor) -> Tensor:
    return 1127.0 * torch.log1p(hz.double() / 700.0)


def log_mel(waveforms: Float[Tensor, "B L"], num_bands: int) -> Float[Tensor, "B S M"]:
    """Return natural logarithms of the bands' energies, in float32.

    They are computed in double precision where the device has it: a weak band between strong ones
    is a small difference of large numbers.

    Args:
        waveforms: Samples between -1 and 1, `WINDOW_SAMPLES` at least.
        num_bands: Mel bands M.
    """
    device = waveforms.device
    dtype = torch.float32 if device.type == "mps" else torch.float64
    filters = mel_filters(num_bands, device, dtype)
    window = torch.hann_window(WINDOW_SAMPLES, periodic=False, device=device, dtype=dtype)
    window = window**_POVEY_EXPONENT
    pieces = waveforms.to(dtype).unfold(1, WINDOW_SAMPLES, SPECTRUM_HOP_SAMPLES)  # (B, S, 400)
    if torch.compiler.is_compiling():
        return _energies(pieces, window, filters)
    blocks = [_energies(piece, window, filters) for piece in pieces.split(_BLOCK_SPECTRA, dim=1)]
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=1)


def _energies(
    pieces: Float[Tensor, "B S W"], window: Float[Tensor, " W"], filters: Float[Tensor, "F M"]
) -> Float[Tensor, "B S M"]:
    pieces = pieces * _PCM_SCALE
    pieces = pieces - pieces.mean(dim=2, keepdim=True)
    before = torch.cat((pieces[:, :, :1], pieces[:, :, :-1]), dim=2)
    spectra = torch.fft.rfft((pieces - _PREEMPHASIS * before) * window, n=_FFT_SAMPLES)
    power = spectra.real.square() + spectra.imag.square()
    return (power @ filters).clamp(min=_ENERGY_FLOOR).log().float()


class LogMelFrontEnd(nn.Module):
    """Takes the place of the feature encoder; has no weights.

    Each band of each utterance is normalised to zero mean and unit variance over its spectra,
    without padding, so that a result does not depend on the batch.

    Args:
        num_features: Features C of a frame; two of each band.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.output_dim = num_features
        self.num_bands = num_features // SPECTRA_PER_FRAME

    @property
    def receptive_field(self) -> int:
        """Samples that one frame is made of: the shortest usable waveform."""
        return WINDOW_SAMPLES + (SPECTRA_PER_FRAME - 1) * SPECTRUM_HOP_SAMPLES

    def output_lengths(self, lengths: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        """Return the number of frames that come of `lengths` samples; a last half does not."""
        return spectrum_counts(lengths) // SPECTRA_PER_FRAME

    def forward(
        self,
        waveforms: Float[Tensor, "B L"],
        lengths: Int[Tensor, " B"] | None = None,
        moments: BandMoments | None = None,
    ) -> Float[Tensor, "B T C"]:
        """Turn waveforms into features, in float32 whatever the waveforms' precision.

        Args:
            waveforms: Samples between -1 and 1.
            lengths: Valid samples of each waveform. None: all are valid.
            moments: What to normalise with where the waveforms are parts of something longer.
                None: the mean and deviation of each waveform.
        """
        with torch.autocast(waveforms.device.type, enabled=False):
            energies = log_mel(waveforms, self.num_bands)
            if moments is None:
                counts = None if lengths is None else spectrum_counts(lengths)
                moments = band_moments(energies, counts)
            energies = (energies - moments.mean[:, None]) / moments.scale[:, None]
        # Each spectrum beside the next; a last one without a next is left out.
        features = torch.cat((energies[:, :-1:2], energies[:, 1::2]), dim=2)
        if lengths is None:
            return features
        padding = padding_mask_from_lengths(self.output_lengths(lengths), features.shape[1])
        return features.masked_fill(padding[:, :, None], 0.0)


def band_moments(
    energies: Float[Tensor, "B S M"], counts: Int[Tensor, " B"] | None = None
) -> BandMoments:
    """Return mean and deviation of each band over the valid spectra.

    The deviation is the unbiased one (S - 1), with a floor under it.

    Args:
        energies: Log energies.
        counts: Valid spectra of each utterance. None: all are valid.
    """
    if counts is None:
        valid = torch.ones_like(energies[:, :, :1])
    else:
        valid = (~padding_mask_from_lengths(counts, energies.shape[1]))[:, :, None].float()
    count = valid.sum(dim=1).clamp(min=1.0)
    mean = (energies * valid).sum(dim=1) / count
    squares = ((energies - mean[:, None]).square() * valid).sum(dim=1)
    return BandMoments(mean, deviation(squares, count))


def deviation(squares: Tensor, count: Tensor) -> Tensor:
    """Return what centred log energies are divided by.

    Args:
        squares: Sum of their squared deviations from the mean.
        count: Their number.
    """
    return (squares / (count - 1).clamp(min=1.0) + _VARIANCE_FLOOR).sqrt()
