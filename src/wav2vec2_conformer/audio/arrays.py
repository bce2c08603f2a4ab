"""Arrays and tensors as audio.

Shapes used in this file:
    N  moments
    C  channels
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import AudioError, InputError

# What tells channels from time in a 2-D array: recordings have few channels and many samples.
MAX_CHANNELS = 16
_BLOCK_MOMENTS = 1 << 18
# (value of silence, value of full scale above it) of each integer type that audio comes in
_INTEGER_SCALES = {
    "uint8": (128.0, 128.0),
    "int8": (0.0, 128.0),
    "int16": (0.0, 32_768.0),
    "uint16": (32_768.0, 32_768.0),
    "int32": (0.0, 2_147_483_648.0),
}


def as_moments(samples: Any, name: str) -> NDArray[Any]:
    """View an array or tensor as moments by channels, whatever its layout.

    Args:
        samples: A numpy array, or a tensor with `detach` and `cpu` (as torch's). One axis:
            mono. Two axes: the one with at most 16 entries holds the channels; an axis with
            a single entry always does.
        name: What to call the array in messages.

    Returns:
        Values of the given type and of shape (N, C).

    Raises:
        InputError: When the number of axes, the shape or the type is not that of audio.
    """
    if hasattr(samples, "detach"):
        tensor = samples.detach().cpu()
        # numpy has no bfloat16
        samples = tensor.float() if tensor.is_floating_point() else tensor
    array = np.asarray(samples)
    is_audio = array.dtype.kind == "f" or array.dtype.name in _INTEGER_SCALES
    if not is_audio:
        allowed = ", ".join(["float16", "float32", "float64", *_INTEGER_SCALES])
        raise InputError(
            f"{name}: samples must be of one of the types {allowed}, but are {array.dtype}. "
            "Cast them to the type whose range they use."
        )
    if array.ndim == 1:
        return array[:, None]
    if array.ndim != 2:  # noqa: PLR2004  axes: time and channels
        raise InputError(
            f"{name}: an array must have one axis (samples) or two (samples and channels), "
            f"but has shape {array.shape}."
        )
    return array if _channel_axis(array.shape, name) == 1 else array.T


def iter_blocks(moments: NDArray[Any], name: str) -> Iterator[NDArray[np.float32]]:
    """Yield float32 blocks of shape (n, C); integers are scaled to the range -1 to 1.

    Raises:
        AudioError: When a finite value does not fit float32.
    """
    silence, full_scale = _INTEGER_SCALES.get(moments.dtype.name, (0.0, 1.0))
    for start in range(0, len(moments), _BLOCK_MOMENTS):
        block = moments[start : start + _BLOCK_MOMENTS]
        with np.errstate(over="ignore"):
            converted = block.astype(np.float32)
        if moments.dtype == np.float64 and np.isinf(converted).sum() > np.isinf(block).sum():
            raise AudioError(
                f"{name}: holds values up to {np.abs(block).max():g}, too large for float32. "
                "Samples are usually between -1 and 1."
            )
        if moments.dtype.kind != "f":
            converted -= np.float32(silence)
            converted /= np.float32(full_scale)
        yield converted


def _channel_axis(shape: tuple[int, ...], name: str) -> int:
    if 1 in shape:
        return shape.index(1) if shape != (1, 1) else 1
    few = [axis for axis in (0, 1) if shape[axis] <= MAX_CHANNELS]
    if len(few) != 1:
        reason = "both axes" if few else "neither axis"
        raise InputError(
            f"{name}: cannot tell samples from channels in an array of shape {shape}: "
            f"{reason} could hold 1 to {MAX_CHANNELS} channels. Pass one axis, for example "
            "the mean over channels."
        )
    return few[0]
