"""Where it is quiet enough to cut.

Shapes used in this file:
    L  samples
    T  frames
"""

import numpy as np
from numpy.typing import NDArray


def frame_energy(samples: NDArray[np.float32], frame_samples: int) -> NDArray[np.float64]:
    """Return the mean square of each whole frame, shape (T,), from samples (L,)."""
    frames = samples[: samples.size // frame_samples * frame_samples].astype(np.float64)
    frames = frames.reshape(-1, frame_samples)
    return np.einsum("ij,ij->i", frames, frames) / frame_samples


def find_quiet_frame(
    samples: NDArray[np.float32],
    *,
    frame_samples: int,
    first_frame: int,
    end_frame: int,
    smoothing_frames: int,
) -> int:
    """Return the frame in whose surroundings the least is to be heard.

    Args:
        samples: Shape (L,), beyond `end_frame` by half the smoothing or more.
        frame_samples: Samples in a frame.
        first_frame: First frame to consider.
        end_frame: Last one; it wins where several are equally quiet.
        smoothing_frames: Width of the surroundings, centred on the frame's start.
    """
    half = max(1, smoothing_frames // 2)
    start = max(0, first_frame - half)
    energy = frame_energy(
        samples[start * frame_samples : (end_frame + half) * frame_samples], frame_samples
    )
    sums = np.concatenate([[0.0], np.cumsum(energy)])
    candidates = np.arange(first_frame, end_frame + 1) - start
    low = np.maximum(candidates - half, 0)
    high = np.minimum(candidates + half, len(energy))
    around = (sums[high] - sums[low]) / np.maximum(high - low, 1)
    return end_frame - int(np.argmin(around[::-1]))
