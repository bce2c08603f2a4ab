"""Windows over a stream of samples, on a grid that the sizes of its blocks cannot move.

Frames are counted from the first sample of the stream. Borders are a step apart. A window
ends one look-ahead after its border and begins one context and two steps before it: up to one
step before the border before may still be open. It is cut as soon as its last sample has
arrived. What the model sees is therefore a function of the samples alone.

Shapes used in this file:
    L  samples
"""

import bisect
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio.normalization import WaveformStatistics
from wav2vec2_conformer.inference.log_mel_statistics import LogMelStatistics
from wav2vec2_conformer.inference.windows import Window

# More frames than any feature encoder's receptive field needs beyond the start of a frame.
_MAX_OVERHANG_FRAMES = 64


class StreamingWindows:
    """Collects samples and cuts windows out of them. Keeps about one window of samples.

    Normalization uses mean and variance of all samples up to the window's end: those of the
    utterance, as far as it is known.

    Args:
        step_frames: Frames from one border to the next.
        look_ahead_frames: Frames after the border.
        context_frames: Frames before the open ones; fewer at the start of the stream.
        frame_samples: Samples between the starts of two frames.
        count_frames: The model's number of frames for a number of samples.
        normalizes: Whether the checkpoint wants zero mean and unit variance.
        num_mel_bands: Bands of the log-mel features that the model hears, normalized in the
            same manner; None where it hears samples.

    Attributes:
        border_frame: Border of the window that was cut last; 0 before the first. The end of
            the stream is the border of the last window.
        heard_samples: Samples up to the end of the window that was cut last.
        num_samples: Samples added so far.
        is_closed: Whether the stream has ended.
        is_done: Whether its last window has been cut.
    """

    def __init__(
        self,
        *,
        step_frames: int,
        look_ahead_frames: int,
        context_frames: int,
        frame_samples: int,
        count_frames: Callable[[int], int],
        normalizes: bool,
        num_mel_bands: int | None = None,
    ) -> None:
        self.border_frame = 0
        self.heard_samples = 0
        self.num_samples = 0
        self.is_closed = False
        self.is_done = False
        self._step = step_frames
        self._look_ahead = look_ahead_frames
        self._context = context_frames
        self._frame_samples = frame_samples
        self._count_frames = count_frames
        # The last frame of a window sees samples beyond the start of the frame after it.
        longest = context_frames + 2 * step_frames + look_ahead_frames
        candidates = range((longest + _MAX_OVERHANG_FRAMES) * frame_samples)
        needed = bisect.bisect_left(candidates, longest, key=count_frames)
        self._overhang_samples = max(0, needed - longest * frame_samples)
        self._statistics = WaveformStatistics() if normalizes else None
        self._bands = None if num_mel_bands is None else LogMelStatistics(num_mel_bands)
        self._buffer: NDArray[np.float32] = np.empty(0, dtype=np.float32)

    def add(self, samples: NDArray[np.float32]) -> None:
        """Append samples of shape (L,)."""
        self._buffer = np.concatenate([self._buffer, samples])
        self.num_samples += len(samples)

    def close(self) -> None:
        """Say that no samples follow."""
        self.is_closed = True

    def cut(self, first_frame: int) -> Window | None:
        """Cut the next window.

        Args:
            first_frame: First frame of the stream that the window is to tell about; not
                earlier than the step before the last border.

        Returns:
            The window, all its frames from the first one on kept; None when its samples have
            not arrived, or when a closed stream holds no more frames.
        """
        if self.is_done:
            return None
        next_border = self.border_frame + self._step
        end = (next_border + self._look_ahead) * self._frame_samples + self._overhang_samples
        if end > self.num_samples:
            if not self.is_closed:
                return None
            end = self.num_samples
            self.is_done = True
        start_frame = self._start_frame(self.border_frame)
        buffer_start = self.num_samples - len(self._buffer)
        samples = self._buffer[start_frame * self._frame_samples - buffer_start :][
            : end - start_frame * self._frame_samples
        ]
        # Window by window, not block by block: the sums, too, follow the grid.
        unheard = samples[len(samples) - (end - self.heard_samples) :]
        if self._statistics is not None:
            self._statistics.add(unheard)
            samples = self._statistics.normalize(samples)
        if self._bands is not None:
            self._bands.add(unheard)
        self.heard_samples = end
        num_frames = self._count_frames(len(samples))
        self.border_frame = start_frame + num_frames if self.is_done else next_border
        next_start = self._start_frame(self.border_frame) * self._frame_samples
        self._buffer = self._buffer[max(0, next_start - buffer_start) :]
        if start_frame + num_frames <= first_frame:
            return None
        moments = None if self._bands is None else self._bands.moments
        return Window(samples, first_frame, first_frame - start_frame, num_frames, moments=moments)

    def _start_frame(self, border_frame: int) -> int:
        """Return where the window after a border starts."""
        return max(0, border_frame - self._step - self._context)
