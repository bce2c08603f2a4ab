"""Windows that cut long audio into pieces of bounded length.

Each window but the first and last has context on both sides, which the model sees and whose
frames are thrown away. Windows start on the model's frame grid: a frame of a window has seen
the same samples as the frame of the whole clip that it stands for. The joint between two
windows' kept frames lies where it is quiet, if it is quiet anywhere near; some frames on both
sides of it are given by both windows, so that what the model hears there can move the joint.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio.samples import SampleReader
from wav2vec2_conformer.audio.silence import find_quiet_frame
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn.log_mel import BandMoments


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a recording and the frames to keep of it.

    Attributes:
        samples: Shape (L,). Perhaps a view: do not write to it.
        start_frame: The recording's frame that the first kept frame is.
        first_frame: First kept frame, counted from the window's start.
        end_frame: The frame after the last kept one, counted from the window's start.
        spare_before: Frames before the kept ones that may be used instead of the last window's.
        spare_after: Frames after the kept ones that may be used instead of the next window's.
        moments: Of the recording's log-mel bands; None where samples are normalized, or none of
            them.
    """

    samples: NDArray[np.float32]
    start_frame: int
    first_frame: int
    end_frame: int
    spare_before: int = 0
    spare_after: int = 0
    moments: BandMoments | None = None

    @property
    def num_frames(self) -> int:
        """Number of kept frames."""
        return self.end_frame - self.first_frame

    @property
    def told_frames(self) -> slice:
        """The kept and the spare frames, counted from the window's start."""
        return slice(self.first_frame - self.spare_before, self.end_frame + self.spare_after)


@dataclass(frozen=True, slots=True)
class Windowing:
    """How recordings are cut into windows.

    Attributes:
        window_frames: Longest window, context included. A shorter recording is one window.
        context_frames: Context on each side of a window's kept frames.
        joint_frames: How far before its latest place a joint may lie to be in a quiet one, but
            not so far that less than half of a window would be kept.
        smoothing_frames: Width of what counts as one place when quiet is looked for.
        frame_samples: Samples between the starts of two frames.
        count_frames: The model's number of frames for a number of samples.

    Raises:
        InputError: When a window is not longer than its context, or the context is so short
            that a kept frame would see beyond its window.
    """

    window_frames: int
    context_frames: int
    joint_frames: int
    smoothing_frames: int
    frame_samples: int
    count_frames: Callable[[int], int]

    def __post_init__(self) -> None:
        """Check that windows get on, and that their kept frames see all they need."""
        if self.window_frames <= 2 * self.context_frames:
            raise InputError(
                "a window must be longer than its context on both sides, but the window has "
                f"{self.window_frames} frames and the context {self.context_frames} on each "
                "side. Use a longer window."
            )
        num_kept = self.window_frames - self.context_frames
        if self.context_frames < 1 or self.count_frames(self.window_samples) < num_kept:
            raise InputError(
                f"the context of {self.context_frames} frames is too short: the last kept "
                "frame would see beyond its window. Use more context."
            )

    @property
    def window_samples(self) -> int:
        """Length of the longest window in samples."""
        return self.window_frames * self.frame_samples

    @property
    def spare_frames(self) -> int:
        """Frames on each side of a joint that both windows tell about.

        Each of them has half of the context at least, and the spare frames of a window's two
        joints are apart.
        """
        beyond = self.count_frames(self.window_samples)
        beyond -= self.window_frames - self.context_frames
        between = self.window_frames - 2 * self.context_frames
        return min((self.context_frames - 1) // 2, between // 4, beyond)

    def find_joint(self, samples: NDArray[np.float32]) -> int:
        """Return the frame, counted from a full window's start, before which it is joined."""
        latest = self.window_frames - self.context_frames
        # Half of what lies between the contexts is kept in any case: windows must get on.
        search_frames = min(self.joint_frames, (latest - self.context_frames) // 2)
        return find_quiet_frame(
            samples,
            frame_samples=self.frame_samples,
            first_frame=latest - search_frames,
            end_frame=latest,
            smoothing_frames=self.smoothing_frames,
        )


def iter_windows(
    reader: SampleReader,
    windowing: Windowing,
    regions: Iterable[tuple[int, int]] | None = None,
    moments: Sequence[BandMoments] | None = None,
) -> Iterator[Window]:
    """Cut a recording, or parts of it, into windows.

    The kept frames of a part, one window after another, are the frames that the part has on
    its own.

    Args:
        reader: The recording, read as windows are asked for.
        windowing: How to cut.
        regions: Parts as (first sample, sample after the last one), in order and apart, the
            first sample on the frame grid. None: the whole recording.
        moments: Of each part's log-mel bands (of the whole recording's where there are no
            parts), for the windows to carry; None for none.

    Yields:
        Windows in order. None for a part below one frame.
    """
    hop = windowing.frame_samples
    parts = [(0, None)] if regions is None else regions
    for part, (region_start, region_end) in enumerate(parts):
        own = None if moments is None else moments[part]
        start, first_frame, spare_before = region_start, 0, 0
        while True:
            reader.skip_to(start)
            # One sample more than a window tells whether this is the last one.
            num_wanted = windowing.window_samples + 1
            if region_end is not None:
                num_wanted = min(num_wanted, region_end - start)
            samples = reader.peek(num_wanted)
            start_frame = start // hop + first_frame
            if len(samples) <= windowing.window_samples:
                end_frame = windowing.count_frames(len(samples))
                if end_frame > first_frame:
                    yield Window(
                        samples, start_frame, first_frame, end_frame, spare_before, moments=own
                    )
                break
            samples = samples[: windowing.window_samples]
            end_frame = windowing.find_joint(samples)
            spare = windowing.spare_frames
            yield Window(
                samples, start_frame, first_frame, end_frame, spare_before, spare, moments=own
            )
            spare_before = spare
            start += (end_frame - windowing.context_frames) * hop
            first_frame = windowing.context_frames
