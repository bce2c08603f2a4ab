"""Windows tile the frames of a recording exactly, for every length and block size."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest

from wav2vec2_conformer.audio.samples import SampleReader
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.windows import Window, Windowing, iter_windows


def count_frames(num_samples: int) -> int:
    return max(0, (num_samples - 400) // 320 + 1)


def count_adapter_frames(num_samples: int) -> int:
    num_frames = count_frames(num_samples)
    for _ in range(2):
        num_frames = (num_frames + 1) // 2
    return num_frames


def make_windowing(
    frame_samples: int = 320,
    counter: Callable[[int], int] = count_frames,
    *,
    window_frames: int = 20,
    context_frames: int = 3,
    joint_frames: int = 4,
) -> Windowing:
    return Windowing(
        window_frames=window_frames,
        context_frames=context_frames,
        joint_frames=joint_frames,
        smoothing_frames=2,
        frame_samples=frame_samples,
        count_frames=counter,
    )


def blocks_of(waveform: np.ndarray, block_samples: int) -> Iterator[np.ndarray]:
    return (waveform[i : i + block_samples] for i in range(0, len(waveform), block_samples))


def noise(num_samples: int) -> np.ndarray:
    return np.random.default_rng(num_samples).normal(size=num_samples).astype(np.float32)


def check_tiling(windows: list[Window], waveform: np.ndarray, windowing: Windowing) -> None:
    """The kept frames are the waveform's, each once, in order, and from its own samples."""
    frame = 0
    for window in windows:
        assert window.start_frame == frame
        assert len(window.samples) <= windowing.window_samples
        assert 0 <= window.first_frame < window.end_frame
        assert window.end_frame <= windowing.count_frames(len(window.samples))
        start = (window.start_frame - window.first_frame) * windowing.frame_samples
        np.testing.assert_array_equal(window.samples, waveform[start : start + len(window.samples)])
        told = window.told_frames
        assert 0 <= told.start <= told.stop <= windowing.count_frames(len(window.samples))
        frame += window.num_frames
    for earlier, later in pairwise(windows):
        assert earlier.spare_after == later.spare_before
        assert earlier.num_frames >= earlier.spare_before + earlier.spare_after
        assert later.num_frames >= later.spare_before + later.spare_after
    assert frame == windowing.count_frames(len(waveform))


LENGTHS = [0, 1, 399, 400, 719, 720, *range(6_000, 9_000, 37), *range(60_000, 62_000, 131)]


@pytest.mark.parametrize(
    ("frame_samples", "counter", "context_frames"),
    [(320, count_frames, 2), (320, count_frames, 4), (1_280, count_adapter_frames, 1)],
)
@pytest.mark.parametrize("joint_frames", [0, 4, 1_000])
def test_kept_frames_are_the_frames_of_the_recording(
    frame_samples: int, counter: Callable[[int], int], context_frames: int, joint_frames: int
) -> None:
    windowing = make_windowing(
        frame_samples,
        counter,
        window_frames=20 * 320 // frame_samples,
        context_frames=context_frames,
        joint_frames=joint_frames,
    )
    for num_samples in LENGTHS:
        waveform = noise(num_samples)
        check_tiling(list(iter_windows(SampleReader([waveform]), windowing)), waveform, windowing)


@pytest.mark.parametrize("block_samples", [1, 319, 6_400, 6_401, 50_000])
def test_the_size_of_blocks_changes_nothing(block_samples: int) -> None:
    waveform, windowing = noise(20_000), make_windowing()
    whole = list(iter_windows(SampleReader([waveform]), windowing))
    in_blocks = list(iter_windows(SampleReader(blocks_of(waveform, block_samples)), windowing))
    assert len(whole) > 3
    for window, other in zip(whole, in_blocks, strict=True):
        np.testing.assert_array_equal(window.samples, other.samples)
        assert (window.start_frame, window.first_frame, window.end_frame) == (
            other.start_frame,
            other.first_frame,
            other.end_frame,
        )


def test_kept_frames_have_their_context() -> None:
    windowing = make_windowing(window_frames=50, context_frames=5, joint_frames=10)
    windows = list(iter_windows(SampleReader([noise(200_000)]), windowing))
    assert len(windows) > 10
    for window in windows[1:]:
        assert window.first_frame == 5
    for window in windows[:-1]:
        assert 50 - 5 - 10 <= window.end_frame <= 50 - 5
        assert len(window.samples) == windowing.window_samples


def test_joints_lie_in_the_quiet() -> None:
    windowing = make_windowing(window_frames=50, context_frames=5, joint_frames=20)
    waveform = noise(100_000)
    quiet = [frame for frame in range(12, 310) if frame % 17 in {0, 1}]
    for frame in quiet:
        waveform[frame * 320 : (frame + 1) * 320] *= 0.01
    windows = list(iter_windows(SampleReader([waveform]), windowing))
    assert len(windows) > 5
    for window in windows[1:]:
        assert window.start_frame % 17 == 1  # between the two quiet frames


def test_a_window_keeps_half_of_what_it_may_wherever_it_is_quiet() -> None:
    windowing = make_windowing(window_frames=50, context_frames=5, joint_frames=1_000)
    # Ever louder: the quietest place is as early as may be.
    waveform = np.linspace(0.01, 1.0, 100_000).astype(np.float32)
    windows = list(iter_windows(SampleReader([waveform]), windowing))
    assert [window.num_frames for window in windows[1:-1]] == [20] * (len(windows) - 2)


def test_in_even_sound_windows_are_as_long_as_they_may_be() -> None:
    windowing = make_windowing(window_frames=50, context_frames=5, joint_frames=20)
    windows = list(iter_windows(SampleReader([np.zeros(100_000, np.float32)]), windowing))
    assert [window.end_frame for window in windows[:-1]] == [45] * (len(windows) - 1)


def test_a_short_recording_is_one_window() -> None:
    waveform = noise(6_400)
    [window] = iter_windows(SampleReader([waveform]), make_windowing())
    assert np.shares_memory(window.samples, waveform)  # not copied
    assert (window.start_frame, window.first_frame, window.end_frame) == (0, 0, 19)


def test_parts_are_cut_as_if_each_were_a_recording() -> None:
    waveform, windowing = noise(100_000), make_windowing()
    regions = [(0, 300), (640, 9_000), (9_600, 40_123), (64_000, 64_800), (96_000, 100_000)]
    windows = list(
        iter_windows(SampleReader(blocks_of(waveform, 5_000)), windowing, regions=regions)
    )
    for start, end in regions:
        own = [window for window in windows if start <= window.start_frame * 320 < end]
        moved = [
            Window(w.samples, w.start_frame - start // 320, w.first_frame, w.end_frame) for w in own
        ]
        check_tiling(moved, waveform[start:end], windowing)
    for window, following in pairwise(windows):
        assert window.start_frame + window.num_frames <= following.start_frame


@pytest.mark.parametrize(("window_frames", "context_frames"), [(10, 5), (10, 0), (10, 7)])
def test_impossible_windows_are_refused(window_frames: int, context_frames: int) -> None:
    with pytest.raises(InputError, match="context"):
        make_windowing(window_frames=window_frames, context_frames=context_frames)


def test_a_context_within_a_frames_own_reach_is_refused() -> None:
    """With two frames of context the last kept frame would hear beyond its window."""
    with pytest.raises(InputError, match="beyond its window"):
        make_windowing(counter=lambda num_samples: max(0, (num_samples - 1_600) // 320 + 1))
