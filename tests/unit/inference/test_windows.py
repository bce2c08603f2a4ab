"""Windows tile the frames of a clip exactly, for every length."""

import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.windows import Window, plan_windows


def count_frames(num_samples: int) -> int:
    return max(0, (num_samples - 400) // 320 + 1)


def count_adapter_frames(num_samples: int) -> int:
    num_frames = count_frames(num_samples)
    for _ in range(2):
        num_frames = (num_frames + 1) // 2
    return num_frames


LENGTHS = [0, 1, 399, 400, 719, 720, *range(6_000, 9_000, 7), *range(60_000, 62_000, 13)]


@pytest.mark.parametrize(
    ("frame_samples", "counter", "context_samples"),
    [
        (320, count_frames, 640),
        (320, count_frames, 1_000),
        (1_280, count_adapter_frames, 1_280),
    ],
)
def test_kept_frames_are_the_frames_of_the_clip(
    frame_samples: int, counter: object, context_samples: int
) -> None:
    for num_samples in LENGTHS:
        windows = plan_windows(
            num_samples,
            window_samples=6_500,
            context_samples=context_samples,
            frame_samples=frame_samples,
            count_frames=counter,
        )
        frame = 0
        for window in windows:
            assert window.start_sample % frame_samples == 0
            assert window.num_samples <= 6_500
            # The next frame of the clip is the window's first kept one.
            assert window.start_sample // frame_samples + window.first_frame == frame
            assert 0 <= window.first_frame <= window.end_frame <= counter(window.num_samples)
            frame += window.num_frames
        assert frame == counter(num_samples)
        assert windows[-1].end_sample == num_samples


def test_kept_frames_have_their_context() -> None:
    windows = plan_windows(
        100_000,
        window_samples=16_000,
        context_samples=1_600,
        frame_samples=320,
        count_frames=count_frames,
    )
    assert len(windows) > 5
    for window in windows[1:]:
        assert window.first_frame == 5
    for window in windows[:-1]:
        assert window.end_frame == 50 - 5


def test_a_short_clip_is_one_window() -> None:
    assert plan_windows(
        16_000,
        window_samples=16_000,
        context_samples=1_600,
        frame_samples=320,
        count_frames=count_frames,
    ) == [Window(0, 16_000, 0, 49)]


@pytest.mark.parametrize(("window_samples", "context_samples"), [(3_200, 1_600), (3_200, 0)])
def test_impossible_windows_are_refused(window_samples: int, context_samples: int) -> None:
    with pytest.raises(InputError, match="context"):
        plan_windows(
            100_000,
            window_samples=window_samples,
            context_samples=context_samples,
            frame_samples=320,
            count_frames=count_frames,
        )
