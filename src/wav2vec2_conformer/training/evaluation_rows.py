"""What belongs to each utterance of a validation set, as arrays of the whole set."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from wav2vec2_conformer.data.collation import LABEL_PADDING


def to_numpy(values: Tensor) -> npt.NDArray[Any]:
    """Return values [B, ...] as an array; half precision, which numpy may lack, as float32."""
    values = values.detach().cpu()
    return (values.float() if values.is_floating_point() else values).numpy()


def pad_rows(rows: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return rows (T, ...) of different lengths as one array, -100 where padded.

    Args:
        rows: At least one, of the same type and number of axes; plain numbers have none.
    """
    arrays = [np.asarray(row) for row in rows]
    if arrays[0].ndim == 0:
        return np.stack(arrays)
    longest = max(len(array) for array in arrays)
    shape = (len(arrays), longest, *arrays[0].shape[1:])
    padded = np.full(shape, LABEL_PADDING, dtype=arrays[0].dtype)
    for place, array in zip(padded, arrays, strict=True):
        place[: len(array)] = array
    return padded
