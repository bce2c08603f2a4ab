"""Windows that cut long audio into pieces of bounded length.

Each window but the first and last has context on both sides, which the model sees and whose
frames are thrown away. Windows start on the model's frame grid: a frame of a window has seen
the same samples as the frame of the whole clip that it stands for.
"""

from collections.abc import Callable
from dataclasses import dataclass

from wav2vec2_conformer.errors import InputError


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a waveform and the frames to keep of it.

    Attributes:
        start_sample: First sample.
        end_sample: The sample after the last one.
        first_frame: First kept frame, counted from the window's start.
        end_frame: The frame after the last kept one, counted from the window's start.
    """

    start_sample: int
    end_sample: int
    first_frame: int
    end_frame: int

    @property
    def num_samples(self) -> int:
        """Length of the window in samples."""
        return self.end_sample - self.start_sample

    @property
    def num_frames(self) -> int:
        """Number of kept frames."""
        return self.end_frame - self.first_frame


def plan_windows(
    num_samples: int,
    *,
    window_samples: int,
    context_samples: int,
    frame_samples: int,
    count_frames: Callable[[int], int],
) -> list[Window]:
    """Cut a waveform so that the kept frames, one window after another, are all its frames.

    Args:
        num_samples: Length of the waveform.
        window_samples: Longest window, context included. A shorter waveform is one window.
        context_samples: Context on each side, at least one frame.
        frame_samples: Samples between the starts of two frames
            (`config.inputs_to_logits_ratio`). Window and context are rounded to it: the window
            down, the context up.
        count_frames: The model's number of frames for a number of samples.

    Returns:
        Windows in order. One whose `num_frames` may be 0 for a waveform below one frame.

    Raises:
        InputError: When a window is not longer than its context, or the context is so short
            that a kept frame would see beyond its window.
    """
    if num_samples <= window_samples:
        return [Window(0, num_samples, 0, count_frames(num_samples))]
    window = window_samples // frame_samples
    context = -(-context_samples // frame_samples)
    step = window - 2 * context
    if step < 1:
        raise InputError(
            "a window must be longer than its context on both sides, but the window has "
            f"{window} frames and the context {context} on each side. Use a longer window."
        )
    if context < 1 or count_frames(window * frame_samples) < window - context:
        raise InputError(
            f"the context of {context_samples} samples is too short: the last kept frame "
            "would see beyond its window. Use more context."
        )
    windows: list[Window] = []
    start = 0
    while True:
        start_sample = start * frame_samples
        first_frame = context if start else 0
        end_sample = start_sample + window * frame_samples
        if end_sample >= num_samples:
            end_frame = count_frames(num_samples - start_sample)
            windows.append(Window(start_sample, num_samples, first_frame, end_frame))
            return windows
        windows.append(Window(start_sample, end_sample, first_frame, window - context))
        start += step
