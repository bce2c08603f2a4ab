import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wav2vec2_conformer.errors import AudioError, CheckpointError, InputError
from wav2vec2_conformer.inference.decoder import DecodingOptions
from wav2vec2_conformer.inference.loading import build_decoder
from wav2vec2_conformer.inference.log_probs import run_windows
from wav2vec2_conformer.inference.stream_events import FinalSegment, FinalWords, Partial
from wav2vec2_conformer.inference.stream_session import StreamSession

RATE_HZ = 16_000
DELIMITER = 4


def levels(*tokens: int, frames_each: int = 6) -> np.ndarray:
    """Return audio in which the level model hears each token for so many frames."""
    return np.repeat(np.float32(tokens) / 100, frames_each * 320)


# A B, pause, C D
TWO_SEGMENTS = levels(5, 4, 6, 4, *[0] * 8, 7, 4, 8, 4, 0)


def make(model: Any, processor: Any, **options: Any) -> StreamSession:
    decoder = build_decoder(model, processor, DecodingOptions(segment_pause_s=0.5))
    return StreamSession(model, processor, decoder, **options)


@pytest.fixture
def session(level_model: Any, level_processor: Any) -> StreamSession:
    return make(level_model, level_processor, latency_s=0.4, context_s=0.5)


def feed_all(session: StreamSession, samples: np.ndarray, block: int = 1600) -> list[Any]:
    events = []
    for start in range(0, len(samples), block):
        events += session.feed(samples[start : start + block])
    return events + session.finish()


def final_words(events: list[Any]) -> list[Any]:
    return [word for event in events if isinstance(event, FinalWords) for word in event.words]


def segments(events: list[Any]) -> list[str]:
    return [event.segment.text for event in events if isinstance(event, FinalSegment)]


def test_words_and_segments_are_told_as_they_end(session: StreamSession) -> None:
    events = feed_all(session, TWO_SEGMENTS)
    assert [word.text for word in final_words(events)] == ["A", "B", "C", "D"]
    assert segments(events) == ["A B", "C D"]
    closed = [event for event in events if isinstance(event, FinalSegment)]
    assert [word for event in closed for word in event.segment.words] == final_words(events)
    first_end = events.index(closed[0])
    assert final_words(events[:first_end]) == list(closed[0].segment.words)


def test_words_have_the_times_at_which_they_were_said(session: StreamSession) -> None:
    words = final_words(feed_all(session, TWO_SEGMENTS))
    assert [word.start_s for word in words] == pytest.approx([0, 0.24, 1.44, 1.68], abs=0.021)
    assert [word.end_s for word in words] == pytest.approx([0.12, 0.36, 1.56, 1.8], abs=0.021)


def test_nothing_waits_longer_than_latency_and_one_step_more(session: StreamSession) -> None:
    events = feed_all(session, TWO_SEGMENTS, block=160)
    for event in events:
        if isinstance(event, FinalWords):
            for word in event.words:
                # A word ends with the delimiter after it: 0.12 s here.
                assert event.heard_s - word.end_s < 0.4 + 0.2 + 0.12 + 0.03


def test_partials_hold_final_words_and_what_may_change(session: StreamSession) -> None:
    events = feed_all(session, levels(5, 4, 6, 6, 6, 4, 0, frames_each=10))
    partials = [event for event in events if isinstance(event, Partial)]
    assert any((p.final_text, p.changing_text) == ("A", "B") for p in partials)
    texts = [partial.text for partial in partials]
    assert "A B" in texts
    assert all(before != after for before, after in pairwise(partials))
    for event in partials:
        assert 0 <= event.start_s <= event.end_s <= event.heard_s


def test_int16_is_the_same_as_float(level_model: Any, level_processor: Any) -> None:
    pcm = np.round(TWO_SEGMENTS * 32_768).astype(np.int16)
    floats = pcm.astype(np.float64) / 32_768
    first = feed_all(make(level_model, level_processor), pcm)
    assert first == feed_all(make(level_model, level_processor), floats)
    assert segments(first) == ["A B", "C D"]


def test_sessions_that_share_a_batch_hear_what_they_hear_alone(
    level_model: Any, level_processor: Any
) -> None:
    streams = [TWO_SEGMENTS, levels(9, 4, 9, 0, 0, 5), levels(0, 7)]
    alone = [feed_all(make(level_model, level_processor), samples) for samples in streams]
    sessions = [make(level_model, level_processor) for _ in streams]
    told: list[list[Any]] = [[] for _ in streams]

    def run() -> None:
        while waiting := [
            (events, session, window)
            for events, session in zip(told, sessions, strict=True)
            if (window := session.next_window()) is not None
        ]:
            windows = [window for _, _, window in waiting]
            for position, log_probs in run_windows(
                level_model, windows, batch_samples=10 * RATE_HZ
            ):
                events, session, _ = waiting[position]
                events.extend(session.accept(log_probs))

    for start in range(0, max(map(len, streams)), 700):
        for session, samples in zip(sessions, streams, strict=True):
            session.add(samples[start : start + 700])
        run()
    for session in sessions:
        session.close()
    run()
    for events, session in zip(told, sessions, strict=True):
        events.extend(session.finish())
    assert told == alone
    assert max(shape[0] for shape in level_model.batch_shapes) == 3


def test_a_window_stays_the_same_until_it_is_accepted(session: StreamSession) -> None:
    session.add(np.zeros(RATE_HZ, np.float32))
    window = session.next_window()
    assert window is not None
    assert session.next_window() is window


def test_accept_wants_the_frames_of_the_last_window(session: StreamSession) -> None:
    with pytest.raises(InputError, match="no window was asked for"):
        session.accept(np.zeros((3, 12), np.float32))
    session.add(np.zeros(RATE_HZ, np.float32))
    window = session.next_window()
    assert window is not None
    with pytest.raises(InputError, match=rf"\({window.num_frames}\), got 2"):
        session.accept(np.zeros((2, 12), np.float32))
    with pytest.raises(CheckpointError, match="not finite"):
        session.accept(np.full((window.num_frames, 12), np.nan, np.float32))


@pytest.mark.parametrize("num_samples", [0, 1, 399])
def test_a_stream_below_one_frame_is_empty(session: StreamSession, num_samples: int) -> None:
    assert feed_all(session, np.zeros(num_samples, np.float32)) == []


def test_a_finished_session_takes_no_more(session: StreamSession) -> None:
    feed_all(session, TWO_SEGMENTS)
    assert session.finish() == []
    with pytest.raises(InputError, match="ended; start another"):
        session.feed(np.zeros(10, np.float32))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 10), np.float32), r"one axis, but have shape \(2, 10\)"),
        (np.zeros(10, np.int32), "float or int16, but are int32"),
    ],
)
def test_samples_of_another_kind_are_refused(
    session: StreamSession, samples: np.ndarray, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        session.feed(samples)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_samples_that_are_no_numbers_are_refused(session: StreamSession, value: float) -> None:
    with pytest.raises(AudioError, match="NaN or infinite"):
        session.feed(np.array([0.0, value]))
    assert session.heard_s == 0


@pytest.mark.parametrize("options", [{"latency_s": 0.05}, {"latency_s": 31}, {"latency_s": np.nan}])
def test_latency_has_limits(
    level_model: Any, level_processor: Any, options: dict[str, float]
) -> None:
    with pytest.raises(InputError, match=r"latency_s must be between 0.1 and 30"):
        make(level_model, level_processor, **options)


def test_context_is_not_negative(level_model: Any, level_processor: Any) -> None:
    with pytest.raises(InputError, match="context_s must not be negative, but is -1"):
        make(level_model, level_processor, context_s=-1)


def test_a_vocabulary_without_a_delimiter_is_ended_by_pauses(
    level_model: Any, level_processor: Any, tmp_path: Path
) -> None:
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2Processor

    vocabulary = {
        token: i for i, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", *"VWABCDEF"])
    }
    (tmp_path / "no_delimiter.json").write_text(json.dumps(vocabulary))
    processor = Wav2Vec2Processor(
        feature_extractor=level_processor.feature_extractor,
        tokenizer=Wav2Vec2CTCTokenizer(
            str(tmp_path / "no_delimiter.json"),
            word_delimiter_token="|",  # noqa: S106  no password
        ),
    )
    events = feed_all(make(level_model, processor), levels(4, 0, 6, *[0] * 8, 7))
    assert segments(events) == ["VA", "B"]
