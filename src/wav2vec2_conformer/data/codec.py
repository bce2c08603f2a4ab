"""Telephone channels: a narrow band at 8 kHz, and the codecs of telephone networks.

Source: ITU-T G.711 (A-law, mu-law); ETSI GSM 06.10 (full rate). libsndfile does the coding.

Shapes used in this file:
    L  samples
"""

import io
from typing import Literal

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from wav2vec2_conformer.errors import InputError

TELEPHONE_RATE_HZ = 8_000
TELEPHONE_BAND_HZ = (300.0, 3_400.0)
Codec = Literal["mulaw", "alaw", "gsm"]
CODECS: tuple[Codec, ...] = ("mulaw", "alaw", "gsm")

_SUBTYPES = {"mulaw": "ULAW", "alaw": "ALAW", "gsm": "GSM610"}
# Width of the slopes at the edges of a band: what is steeper rings.
_SLOPE_HZ = 60.0


def limit_band(
    waveform: NDArray[np.float32], low_hz: float, high_hz: float, sample_rate_hz: int = 16_000
) -> NDArray[np.float32]:
    """Keep the frequencies of a band, without delay.

    Args:
        waveform: Samples (L,).
        low_hz: Lower edge, where half the amplitude is left; 0 for none.
        high_hz: Upper edge.
        sample_rate_hz: Rate of the waveform.

    Raises:
        InputError: The edges are not in order.
    """
    if not 0 <= low_hz < high_hz:
        raise InputError(f"low_hz must be 0 or more and below high_hz, got {low_hz}, {high_hz}")
    spectrum = np.fft.rfft(waveform)
    frequencies = np.fft.rfftfreq(waveform.size, 1 / sample_rate_hz)
    keep = np.clip((high_hz - frequencies) / _SLOPE_HZ + 0.5, 0, 1)
    if low_hz:
        keep *= np.clip((frequencies - low_hz) / _SLOPE_HZ + 0.5, 0, 1)
    return np.fft.irfft(spectrum * keep, waveform.size).astype(np.float32)


def send_by_telephone(
    waveform: NDArray[np.float32], codec: Codec, sample_rate_hz: int = 16_000
) -> NDArray[np.float32]:
    """Limit the band, encode at 8 kHz and decode.

    Args:
        waveform: Samples (L,); what is beyond -1 to 1 is clipped, as a telephone does.
        codec: "mulaw" (North America, Japan), "alaw" (elsewhere) or "gsm" (mobile).
        sample_rate_hz: Rate of the waveform and of the result.

    Returns:
        Samples (L,), in time with the waveform.

    Raises:
        InputError: There is no such codec.
    """
    if codec not in _SUBTYPES:
        raise InputError(f"codec must be one of {', '.join(CODECS)}, got {codec!r}")
    narrow = soxr.resample(
        limit_band(waveform, *TELEPHONE_BAND_HZ, sample_rate_hz), sample_rate_hz, TELEPHONE_RATE_HZ
    )
    file = io.BytesIO()
    soundfile.write(
        file, np.clip(narrow, -1, 1), TELEPHONE_RATE_HZ, format="WAV", subtype=_SUBTYPES[codec]
    )
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    wide = soxr.resample(decoded, TELEPHONE_RATE_HZ, sample_rate_hz)[: waveform.size]
    return np.pad(wide, (0, waveform.size - wide.size))
