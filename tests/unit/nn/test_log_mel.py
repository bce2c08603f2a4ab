"""The log-mel front end: against plain formulas, lengths, padding, moments, precision."""

import math

import pytest
import torch

from wav2vec2_conformer.nn.log_mel import (
    BandMoments,
    LogMelFrontEnd,
    band_moments,
    log_mel,
    mel_filters,
    spectrum_counts,
)

RATE_HZ = 16_000


def tone(hz: float, num_samples: int = 8_000) -> torch.Tensor:
    return 0.1 * torch.sin(2 * math.pi * hz * torch.arange(num_samples) / RATE_HZ)[None]


def test_filters_are_overlapping_triangles():
    filters = mel_filters(80, torch.device("cpu"), torch.float64)
    assert filters.shape == (257, 80)
    assert (filters >= 0).all()
    assert filters.max() <= 1.0
    # Between the middles of the first and the last band, two triangles share each bin.
    inside = filters[3:240].sum(1)
    torch.testing.assert_close(inside, torch.ones_like(inside))
    assert filters[0].sum() == 0.0  # below 20 Hz
    assert (filters.argmax(0).diff() >= 0).all()


def test_a_tone_is_loudest_in_its_band():
    centres_hz = 700 * (
        torch.linspace(*(1127 * math.log1p(f / 700) for f in (20, 8000)), 82) / 1127
    )
    centres_hz = 700 * torch.expm1(centres_hz / 700)[1:-1]
    for band in (10, 40, 70):
        energies = log_mel(tone(float(centres_hz[band])), 80).mean(1)[0]
        assert int(energies.argmax()) == band


def test_energy_follows_loudness():
    noise = 0.1 * torch.randn(1, 8_000)
    quiet, loud = log_mel(noise, 80), log_mel(10 * noise, 80)
    torch.testing.assert_close(
        loud - quiet, torch.full_like(loud, math.log(100)), atol=1e-4, rtol=0
    )
    assert (log_mel(torch.zeros(1, 400), 80) == math.log(2.0**-23)).all()


@pytest.mark.parametrize(
    ("num_samples", "num_spectra", "num_frames"),
    [(0, 0, 0), (399, 0, 0), (400, 1, 0), (559, 1, 0), (560, 2, 1), (720, 3, 1), (16_000, 98, 49)],
)
def test_lengths(num_samples, num_spectra, num_frames):
    front_end = LogMelFrontEnd(160)
    assert spectrum_counts(torch.tensor(num_samples)) == num_spectra
    assert front_end.output_lengths(torch.tensor(num_samples)) == num_frames
    assert front_end.receptive_field == 560
    if num_samples >= 560:
        features = front_end(torch.randn(1, num_samples))
        assert features.shape == (1, num_frames, 160)


def test_each_band_is_normalised():
    features = LogMelFrontEnd(16)(torch.randn(2, 400 + 99 * 160))
    energies = features.unflatten(2, (2, 8)).flatten(1, 2)  # (B, S, M)
    torch.testing.assert_close(energies.mean(1), torch.zeros(2, 8), atol=1e-4, rtol=0)
    torch.testing.assert_close(energies.std(1), torch.ones(2, 8), atol=1e-4, rtol=0)


def test_batch_is_single_whatever_the_padding_holds():
    front_end, waveforms = LogMelFrontEnd(160), 0.1 * torch.randn(3, 8_000)
    lengths = torch.tensor([8_000, 5_003, 700])
    batch = front_end(waveforms, lengths)
    for row, length in enumerate(lengths.tolist()):
        single = front_end(waveforms[row : row + 1, :length])[0]
        torch.testing.assert_close(batch[row, : len(single)], single, atol=1e-5, rtol=1e-5)
        assert (batch[row, len(single) :] == 0).all()


def test_moments_of_the_whole_make_a_part_a_part():
    front_end, waveform = LogMelFrontEnd(160), 0.1 * torch.randn(1, 16_000)
    moments = band_moments(log_mel(waveform, 80))
    whole, part = front_end(waveform), front_end(waveform[:, 3_200:9_600], None, moments)
    torch.testing.assert_close(part, whole[:, 10 : 10 + part.shape[1]])
    own = front_end(waveform[:, 3_200:9_600])
    assert (part - own).abs().max() > 0.05


def test_long_waveforms_are_computed_in_blocks(monkeypatch):
    waveform = torch.randn(2, 40_000)
    whole = log_mel(waveform, 8)
    monkeypatch.setattr("wav2vec2_conformer.nn.log_mel._BLOCK_SPECTRA", 17)
    torch.testing.assert_close(log_mel(waveform, 8), whole)


def test_autocast_and_half_precision_leave_the_features_precise():
    front_end, waveform = LogMelFrontEnd(160), 0.1 * torch.randn(1, 4_000)
    expected = front_end(waveform)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(front_end(waveform), expected)
    assert front_end.to(torch.bfloat16)(waveform).dtype == torch.float32


def test_moments_are_a_pair_of_rows():
    moments = band_moments(torch.randn(2, 5, 3), torch.tensor([5, 2]))
    assert isinstance(moments, BandMoments)
    assert moments.mean.shape == moments.scale.shape == (2, 3)
