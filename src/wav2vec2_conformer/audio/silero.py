"""Speech by the Silero network, run in numpy.

The weights are those of the package `silero-vad` (MIT licence, the extra `vad`), which is read
and never imported: importing it changes the number of threads that torch uses. One frame is 32
ms; a short Fourier transform, four convolutions and an LSTM see it and 4 ms before it.

Shapes used in this file:
    L  samples
    T  frames of 512 samples
    C  channels of a convolution
    P  positions within a frame
"""

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from wav2vec2_conformer.audio.samples import SampleReader
from wav2vec2_conformer.errors import InputError, MissingExtraError

FRAME_SAMPLES = 512
_RATE_HZ = 16_000
_CONTEXT_SAMPLES = 64
_BLOCK_FRAMES = 256
_FFT_SAMPLES = 256
_FFT_STEP = 128
_NUM_BINS = 129
_SPEECH_PROBABILITY = 0.5
_CONVOLUTIONS = (("conv1", 1), ("conv2", 2), ("conv3", 2), ("conv4", 1))  # name, stride

Weights = dict[str, NDArray[np.float32]]


def find_weights() -> Path:
    """Return the file of the weights for 16 kHz.

    Raises:
        MissingExtraError: When `silero-vad` is not installed, or too old to have it.
    """
    spec = find_spec("silero_vad")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(folder) / "data" / "silero_vad_16k.safetensors"
        if path.is_file():
            return path
    raise MissingExtraError("Speech detection with silero", "silero-vad>=6.2", "vad")


def check_rate(sample_rate_hz: int) -> None:
    """Refuse a rate that the network does not know.

    Raises:
        InputError: When it is not 16 kHz.
    """
    if sample_rate_hz != _RATE_HZ:
        raise InputError(
            f"silero hears audio at {_RATE_HZ} Hz, but this is at {sample_rate_hz} Hz. Use the "
            "speech detection `energy`."
        )


def iter_silero_scores(
    blocks: Iterable[NDArray[np.float32]], sample_rate_hz: int
) -> Iterator[NDArray[np.float64]]:
    """Yield how probable speech is in frames of 32 ms.

    Args:
        blocks: Samples of shape (L,).
        sample_rate_hz: Their rate, 16 kHz.

    Yields:
        Scores of shape (T,): 1 is a probability of one half. The rest below a frame at the end
        is filled up with zeros.

    Raises:
        InputError: When the rate is another one.
        MissingExtraError: When the weights are not installed.
    """
    check_rate(sample_rate_hz)
    weights = _load_weights(find_weights())
    hidden = cell = np.zeros(weights["lstm_cell.weight_hh"].shape[1], np.float32)
    context = np.zeros(_CONTEXT_SAMPLES, np.float32)
    reader = SampleReader(blocks)
    while (samples := reader.peek(_BLOCK_FRAMES * FRAME_SAMPLES)).size:
        reader.skip_to(reader.position + samples.size)
        samples = np.pad(samples, (0, -samples.size % FRAME_SAMPLES))
        heard = np.concatenate([context, samples])
        context = heard[-_CONTEXT_SAMPLES:]
        frames = np.lib.stride_tricks.sliding_window_view(heard, _CONTEXT_SAMPLES + FRAME_SAMPLES)
        features = _encode(frames[::FRAME_SAMPLES], weights)
        states = np.empty((len(features), hidden.size), np.float32)
        candidates = slice(2 * hidden.size, 3 * hidden.size)
        gates = features @ weights["lstm_cell.weight_ih"].T
        gates += weights["lstm_cell.bias_ih"] + weights["lstm_cell.bias_hh"]
        for frame, from_features in enumerate(gates):
            gate = from_features + hidden @ weights["lstm_cell.weight_hh"].T
            candidate = np.tanh(gate[candidates])
            entry, forget, _, output = _sigmoid(gate).reshape(4, -1)
            cell = forget * cell + entry * candidate
            hidden = states[frame] = output * np.tanh(cell)
        logits = np.maximum(states, 0) @ weights["final_conv.weight"][0, :, 0]
        probabilities = _sigmoid(logits + weights["final_conv.bias"])
        yield probabilities.astype(np.float64) / _SPEECH_PROBABILITY


@cache
def _load_weights(path: Path) -> Weights:
    return load_file(path)


def _encode(frames: NDArray[np.float32], weights: Weights) -> NDArray[np.float32]:
    """Return the features of frames with their context, shape (T, C)."""
    mirrored = frames[:, -2 : -2 - _CONTEXT_SAMPLES : -1]
    padded = np.concatenate([frames, mirrored], axis=1)
    pieces = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SAMPLES, axis=1)[:, ::_FFT_STEP]
    # (T, P, cosines and sines); the copy lets BLAS do the product
    spectrum = np.ascontiguousarray(pieces) @ weights["stft_conv.weight"][:, 0].T
    spectrum *= spectrum
    x = np.sqrt(spectrum[..., :_NUM_BINS] + spectrum[..., _NUM_BINS:])
    for name, stride in _CONVOLUTIONS:
        kernel = weights[f"{name}.weight"]  # (C out, C in, 3)
        x = np.pad(x, ((0, 0), (1, 1), (0, 0)))
        patches = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2], axis=1)[:, ::stride]
        x = np.einsum("tpck,ock->tpo", patches, kernel, optimize=True)
        x = np.maximum(x + weights[f"{name}.bias"], 0)
    return x[:, 0]


def _sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return 0.5 * (1 + np.tanh(0.5 * x))
