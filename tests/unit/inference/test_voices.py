"""Voices in windows: what is heard of them, and where."""

import numpy as np

from wav2vec2_conformer.inference.voices import find_piece_voices, find_track_voices
from wav2vec2_conformer.inference.windows import Window

HOP, RATE_HZ = 320, 16_000
PLACE = {"onset": 0.5, "frame_samples": HOP, "sample_rate_hz": RATE_HZ}


def make_window(num_frames: int, start_frame: int = 0, context: int = 0) -> Window:
    """Return a window whose samples say which frame of the recording they are in."""
    first = start_frame - context
    samples = np.repeat(np.arange(first, start_frame + num_frames + context), HOP)
    return Window(samples.astype(np.float32), start_frame, context, context + num_frames)


def frames_of(audio: np.ndarray) -> list[int]:
    return sorted(set(audio.astype(int).tolist()))


def test_a_track_is_heard_where_nobody_else_speaks() -> None:
    probs = np.zeros((40, 3), dtype=np.float32)
    probs[:20, 0] = 0.9
    probs[15:40, 2] = 0.8
    window = make_window(40, start_frame=100, context=5)
    first, second = find_track_voices(window, probs, min_speech_s=0.1, **PLACE)
    assert frames_of(first.audio) == list(range(100, 115))
    assert frames_of(second.audio) == list(range(120, 140))
    assert (first.own_s, second.own_s) == (0.3, 0.4)
    assert first.group == second.group == first.start_frame == 100
    assert np.array_equal(second.probs, probs[:, 2])


def test_who_is_never_alone_is_heard_with_the_others() -> None:
    probs = np.zeros((40, 2), dtype=np.float32)
    probs[:, 0] = 0.9
    probs[10:30, 1] = 0.9
    _, second = find_track_voices(make_window(40), probs, min_speech_s=0.1, **PLACE)
    assert second.own_s == 0
    assert frames_of(second.audio) == list(range(10, 30))


def test_tracks_with_hardly_any_speech_are_no_voices() -> None:
    probs = np.zeros((40, 2), dtype=np.float32)
    probs[:4, 0] = probs[10:20, 1] = 0.9
    [voice] = find_track_voices(make_window(40), probs, min_speech_s=0.1, **PLACE)
    assert voice.probs[10] == np.float32(0.9)


def test_audio_is_never_shorter_than_models_take() -> None:
    probs = np.full((6, 1), 0.9, dtype=np.float32)
    [voice] = find_track_voices(make_window(6), probs, min_speech_s=0.1, **PLACE)
    assert voice.audio.size == 3_200


def test_pieces_tile_the_window_on_the_recordings_grid() -> None:
    probs = np.full((100, 1), 0.9, dtype=np.float32)
    window = make_window(100, start_frame=50, context=50)
    voices = find_piece_voices(window, probs, **PLACE)  # steps of 38 frames: 38, 76, 114
    assert [voice.start_frame for voice in voices] == [50, 76, 114]
    assert [len(voice.probs) for voice in voices] == [26, 38, 36]
    # A step and 19 frames on both sides, in the context too.
    assert frames_of(voices[0].audio) == list(range(19, 95))
    assert frames_of(voices[1].audio) == list(range(57, 133))
    assert len({voice.group for voice in voices}) == 3


def test_steps_without_speech_are_no_voices() -> None:
    probs = np.zeros((114, 1), dtype=np.float32)
    probs[80:90] = 0.9
    [voice] = find_piece_voices(make_window(114), probs, **PLACE)
    assert voice.start_frame == 76
    assert voice.own_s == 0.2
