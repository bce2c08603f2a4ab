"""What an embedder returns."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Level = Literal["utterance", "frame"]
Layer = int | Literal["all", "weighted", "xvector"]


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """Numbers that stand for a recording.

    With all layers there is one more axis in front, of one entry for each layer: 0 is what
    goes into the first block, k the output of the k-th.

    Attributes:
        source: Name of the recording.
        vector: One vector for the whole recording, shape (D,) or (layers, D), float32.
        frames: One vector a frame, shape (T, D) or (layers, T, D), float32; None unless asked
            for.
        layer: Where the numbers come from: a layer's number, `all`, `weighted` for the learned
            mean of all layers, or `xvector` where `vector` is the speaker head's.
        frame_s: Seconds from one frame to the next.
        duration_s: Length of the recording in seconds.
    """

    source: str
    vector: NDArray[np.float32]
    frames: NDArray[np.float32] | None
    layer: Layer
    frame_s: float
    duration_s: float
