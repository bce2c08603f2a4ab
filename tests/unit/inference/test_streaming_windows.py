import numpy as np
import pytest

from wav2vec2_conformer.audio.normalization import normalize_waveform
from wav2vec2_conformer.inference.streaming_windows import StreamingWindows
from wav2vec2_conformer.inference.windows import Window

FRAME_SAMPLES = 10


def count_frames(num_samples: int) -> int:
    return max(0, (num_samples - 25) // FRAME_SAMPLES + 1)


def make(*, normalizes: bool = False, step: int = 4, look_ahead: int = 3) -> StreamingWindows:
    return StreamingWindows(
        step_frames=step,
        look_ahead_frames=look_ahead,
        context_frames=5,
        frame_samples=FRAME_SAMPLES,
        count_frames=count_frames,
        normalizes=normalizes,
    )


def cut_all(windows: StreamingWindows) -> list[tuple[Window, int]]:
    """Cut what is there, committing up to each border; return windows and their borders."""
    cut = []
    committed = windows.border_frame
    while (window := windows.cut(committed)) is not None:
        committed = windows.border_frame
        cut.append((window, committed))
    return cut


def test_windows_end_a_look_ahead_after_borders_that_are_a_step_apart() -> None:
    windows = make()
    windows.add(np.arange(1000, dtype=np.float32))
    cut = cut_all(windows)
    assert [border for _, border in cut] == list(range(4, 4 * len(cut) + 1, 4))
    for window, border in cut:
        first_sample = round(float(window.samples[0]))
        assert first_sample == FRAME_SAMPLES * max(0, border - 2 * 4 - 5)
        assert window.end_frame == count_frames(len(window.samples))
        assert first_sample // FRAME_SAMPLES + window.end_frame == border + 3
        assert window.start_frame == border - 4
        assert window.start_frame == first_sample // FRAME_SAMPLES + window.first_frame


def test_a_window_is_cut_with_its_last_sample_not_before() -> None:
    windows = make()
    needed = (4 + 3) * FRAME_SAMPLES + 15
    windows.add(np.zeros(needed - 1, np.float32))
    assert windows.cut(0) is None
    windows.add(np.zeros(1, np.float32))
    window = windows.cut(0)
    assert window is not None
    assert window.num_frames == 7
    assert windows.heard_samples == needed


def test_after_the_end_the_last_window_holds_all_frames_that_are_left() -> None:
    windows = make()
    windows.add(np.zeros(333, np.float32))
    cut_all(windows)
    assert not windows.is_done
    windows.close()
    ((window, border),) = cut_all(windows)
    assert border == window.start_frame + window.num_frames == count_frames(333)
    assert windows.is_done
    assert windows.cut(border) is None


def test_a_stream_that_ends_with_a_window_tells_its_look_ahead_once() -> None:
    windows = make()
    windows.add(np.zeros((4 + 3) * FRAME_SAMPLES + 15, np.float32))
    windows.close()
    cut = cut_all(windows)
    assert [(window.start_frame, window.num_frames) for window, _ in cut] == [(0, 7), (4, 3)]


@pytest.mark.parametrize("num_samples", [0, 1, 24])
def test_less_than_a_frame_gives_no_window(num_samples: int) -> None:
    windows = make()
    windows.add(np.zeros(num_samples, np.float32))
    windows.close()
    assert windows.cut(0) is None
    assert windows.is_done


def test_windows_are_normalized_by_what_has_been_heard() -> None:
    waveform = np.random.default_rng(0).normal(3, 7, 500).astype(np.float32)
    windows = make(normalizes=True)
    windows.add(waveform)
    windows.close()
    num_windows = 0
    while (window := windows.cut(windows.border_frame)) is not None:
        heard = normalize_waveform(waveform[: windows.heard_samples])
        expected = heard[len(heard) - len(window.samples) :]
        np.testing.assert_allclose(window.samples, expected, atol=1e-5)
        num_windows += 1
    assert num_windows > 5


def test_an_endless_stream_needs_the_memory_of_a_window() -> None:
    windows = make(normalizes=True)
    for _ in range(300):
        windows.add(np.zeros(37, np.float32))
        cut_all(windows)
        assert windows._buffer.size <= (5 + 3 * 4 + 3 + 2) * FRAME_SAMPLES + 37
        assert windows._buffer.base is None or windows._buffer.base.size < 1000
