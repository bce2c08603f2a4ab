"""Windows' results become one stream, in order, blank where there is no window."""

import random
from typing import Any

import numpy as np
import pytest

from wav2vec2_conformer.inference.stitching import Stitcher, iter_stitched_log_probs
from wav2vec2_conformer.inference.windows import Window, Windowing

NUM_TOKENS = 12


def make_windowing(model: Any, window_frames: int = 40) -> Windowing:
    return Windowing(
        window_frames=window_frames,
        context_frames=4,
        joint_frames=6,
        smoothing_frames=2,
        frame_samples=320,
        count_frames=lambda n: int(model._get_feat_extract_output_lengths(n)),
    )


def window(start_frame: int, num_frames: int) -> Window:
    return Window(np.empty(0, np.float32), start_frame, 3, 3 + num_frames)


@pytest.mark.parametrize("seed", range(5))
def test_results_may_come_in_any_order(seed: int) -> None:
    windows = [window(start, 10) for start in (0, 10, 20, 35, 50)]
    log_probs = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    stitcher = Stitcher(3, blank_id=1)
    stitcher.expect(windows[:3])
    stitcher.expect(windows[3:])
    order = list(windows)
    random.Random(seed).shuffle(order)
    blocks = []
    for done in order:
        part = log_probs[done.start_frame : done.start_frame + 10]
        blocks.extend(stitcher.add(done, part))
    blocks.extend(stitcher.finish(64))
    stitched = np.concatenate(blocks)
    assert stitched.shape == (64, 3)
    is_gap = np.ones(64, bool)
    for done in windows:
        is_gap[done.start_frame : done.start_frame + 10] = False
    np.testing.assert_array_equal(stitched[~is_gap], log_probs[~is_gap[:60]])
    assert is_gap.sum() == 14
    np.testing.assert_array_equal(stitched[is_gap].argmax(axis=1), 1)
    np.testing.assert_array_equal(stitched[is_gap].max(axis=1), 0.0)
    assert np.isfinite(stitched).all()


def shared_windows(num_shared: int) -> tuple[Window, Window]:
    """Two windows of 10 kept frames, which share `num_shared` on each side of their joint."""
    nothing = np.empty(0, np.float32)
    return (
        Window(nothing, 0, 0, 10, spare_after=num_shared),
        Window(nothing, 10, 4, 14, spare_before=num_shared),
    )


def surely(tokens: list[int], num_tokens: int = 3) -> np.ndarray:
    log_probs = np.full((len(tokens), num_tokens), -20.0, np.float32)
    log_probs[np.arange(len(tokens)), tokens] = 0.0
    return log_probs


def stitch(earlier: list[int], later: list[int], num_shared: int) -> list[int]:
    stitcher = Stitcher(3, blank_id=0, delimiter_id=2)
    windows = shared_windows(num_shared)
    stitcher.expect(windows)
    blocks = [
        *stitcher.add(windows[1], surely(later)),  # in any order
        *stitcher.add(windows[0], surely(earlier)),
        *stitcher.finish(20),
    ]
    return np.concatenate(blocks).argmax(axis=1).tolist()


def test_a_token_that_two_windows_hear_a_frame_apart_is_given_once() -> None:
    # Token 1 is in frame 9 for the earlier window and in frame 10 for the later one, so a joint
    # between those two would give it twice; frames 6 and 7 are blank for both.
    earlier = [0, 1, 1, 0, 1, 1, 0, 0, 0, 1, 0, 1, 1]
    later = [0, 0, 0, 1, 1, 1, *[0] * 7]
    assert len(earlier) == len(later) == 13
    stitched = stitch(earlier, later, 3)
    assert len(stitched) == 20
    assert stitched[:7] == earlier[:7]
    assert stitched[8:] == [0, 0, 1, 1, 1, *[0] * 7]


def test_where_no_shared_frame_is_silent_the_joint_stays_where_it_is_quiet() -> None:
    stitched = stitch([1] * 13, [2, 1, 2, 1, 2, 1, *[0] * 7], 3)
    assert stitched == [1] * 10 + [1, 2, 1] + [0] * 7


def test_a_joint_between_equal_frames_changes_nothing() -> None:
    frames = np.random.default_rng(0).integers(0, 3, 20).tolist()
    assert stitch(frames[:14], frames[6:], 4) == frames


def test_what_is_complete_is_given_at_once() -> None:
    stitcher = Stitcher(2, blank_id=0)
    first, second = window(0, 5), window(5, 5)
    stitcher.expect([first, second])
    assert len(list(stitcher.add(first, np.zeros((5, 2), np.float32)))) == 1


def test_silence_ends_a_word() -> None:
    stitcher = Stitcher(3, blank_id=0, delimiter_id=2)
    windows = [window(0, 5), window(5, 5), window(20, 5), window(3_020, 5)]
    stitcher.expect(windows)
    said = np.full((5, 3), -5.0, np.float32)
    said[:, 1] = 0.0
    best = np.concatenate(
        [block.argmax(axis=1) for done in windows for block in stitcher.add(done, said)]
    )
    assert len(best) == 3_025
    assert (best[:10] == 1).all()  # no silence between the first two
    for start, end in ((10, 20), (25, 3_020)):
        assert sorted(best[start:end]) == [0] * (end - start - 1) + [2]
        assert best[start] == best[end - 1] == 0


def test_long_silence_comes_in_blocks() -> None:
    blocks = list(Stitcher(4, blank_id=2).finish(100_000))
    assert sum(len(block) for block in blocks) == 100_000
    assert max(len(block) for block in blocks) <= 1_000


@pytest.mark.parametrize("num_samples", [0, 399, 400, 12_800, 12_801, 100_000, 123_457])
@pytest.mark.parametrize("batch_samples", [1, 30_000])
def test_a_recording_has_its_own_number_of_frames(
    level_model: Any, num_samples: int, batch_samples: int
) -> None:
    windowing = make_windowing(level_model)
    blocks = iter_stitched_log_probs(
        level_model,
        [np.zeros(num_samples, np.float32)],
        windowing,
        batch_samples=batch_samples,
    )
    num_frames = sum(len(block) for block in blocks)
    assert num_frames == windowing.count_frames(num_samples)


def test_the_model_does_not_hear_silence(level_model: Any) -> None:
    samples = np.full(1_600_000, 0.05, np.float32)
    regions = [(3_200, 9_600), (640_000, 646_400), (1_590_400, 1_600_000)]
    stitched = np.concatenate(
        list(
            iter_stitched_log_probs(
                level_model,
                [samples],
                make_windowing(level_model),
                batch_samples=20_000,
                regions=regions,
            )
        )
    )
    assert len(stitched) == (1_600_000 - 400) // 320 + 1
    expected = np.zeros(len(stitched), int)
    for start, end in regions:
        expected[start // 320 : start // 320 + (end - start - 400) // 320 + 1] = 5
    np.testing.assert_array_equal(stitched.argmax(axis=1), expected)
    assert sum(rows * length for rows, length in level_model.batch_shapes) < 30_000


def test_memory_does_not_grow_with_the_recording(level_model: Any) -> None:
    import tracemalloc

    def peak_bytes(num_blocks: int) -> int:
        tracemalloc.start()
        blocks = (np.full(16_000, 0.05, np.float32) for _ in range(num_blocks))
        for _ in iter_stitched_log_probs(
            level_model, blocks, make_windowing(level_model, 100), batch_samples=32_000
        ):
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    peak_bytes(10)
    assert peak_bytes(400) < peak_bytes(40) + 100_000
