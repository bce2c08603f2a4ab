"""Transcripts, alone and among others, short and long."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from wav2vec2_conformer.errors import AudioError, InputError
from wav2vec2_conformer.inference import Failure, Transcriber, Transcript
from wav2vec2_conformer.inference.log_probs import run_windows
from wav2vec2_conformer.inference.windows import Window

RATE_HZ = 16_000
FRAME = 320
TOKENS = {"": 0, "?": 3, "|": 4, **{letter: 5 + i for i, letter in enumerate("ABCDEFG")}}


def levels(*parts: tuple[str, int]) -> np.ndarray:
    """Return a signal that the level model hears as these tokens, for so many frames each."""
    return np.concatenate(
        [np.full(frames * FRAME, TOKENS[token] / 100, np.float32) for token, frames in parts]
    )


def noise(duration_s: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.1, round(duration_s * RATE_HZ)).astype(np.float32)


def check_equal(first: Transcript, second: Transcript) -> None:
    """Check that texts and times are equal, and confidences up to rounding."""
    assert first.text == second.text
    assert first.duration_s == second.duration_s
    assert len(first.words) == len(second.words)
    for word, other in zip(first.words, second.words, strict=True):
        assert (word.text, word.start_s, word.end_s) == (other.text, other.start_s, other.end_s)
        assert word.characters == other.characters
        assert word.confidence == pytest.approx(other.confidence, abs=1e-4)
    assert [segment.text for segment in first.segments] == [
        segment.text for segment in second.segments
    ]


@pytest.fixture
def transcriber(level_model: Any, level_processor: Any) -> Transcriber:
    return Transcriber(level_model, level_processor, window_s=2.0, context_s=0.2)


def test_text_words_and_times(transcriber: Transcriber) -> None:
    audio = levels(("", 10), ("A", 3), ("", 5), ("B", 2), ("|", 5), ("C", 4), ("", 10))
    transcript = transcriber.transcribe(audio, RATE_HZ)
    assert (transcript.source, transcript.text) == ("<array>", "AB C")
    assert transcript.duration_s == 39 * 0.02
    words = [(word.text, word.start_s, word.end_s) for word in transcript.words]
    assert words == [("AB", 0.2, 0.4), ("C", 0.5, 0.58)]
    assert [segment.text for segment in transcript.segments] == ["AB C"]
    assert 0.99 < transcript.confidence <= 1.0
    assert transcript.alternatives == ()


def test_unknown_tokens_are_left_out(transcriber: Transcriber) -> None:
    assert transcriber.transcribe(levels(("A", 3), ("?", 3), ("B", 3)), RATE_HZ).text == "AB"


def test_lower_case_tokenizers_give_lower_case(level_model: Any, level_processor: Any) -> None:
    level_processor.tokenizer.do_lower_case = True
    transcriber = Transcriber(level_model, level_processor)
    assert transcriber.transcribe(levels(("A", 3), ("B", 3)), RATE_HZ).text == "ab"


def test_long_audio_runs_in_windows_and_stays_exact(
    transcriber: Transcriber, level_model: Any, level_processor: Any
) -> None:
    rng = np.random.default_rng(0)
    parts = [(str(rng.choice(list("ABCDE|"))), int(rng.integers(2, 9))) for _ in range(300)]
    audio = levels(*parts)
    whole = Transcriber(level_model, level_processor, window_s=1_000.0, context_s=1.0)
    expected = whole.transcribe(audio, RATE_HZ)
    assert level_model.batch_shapes == [(1, len(audio))]
    level_model.batch_shapes.clear()
    assert transcriber.transcribe(audio, RATE_HZ, batch_seconds=8.0) == expected
    assert len(level_model.batch_shapes) > 3
    for num_windows, num_samples in level_model.batch_shapes:
        assert num_samples <= 2 * RATE_HZ
        assert num_windows * num_samples <= 8 * RATE_HZ
    assert len(expected.words) > 20


def test_progress_is_the_audio_done(transcriber: Transcriber) -> None:
    done_s: list[float] = []
    clips = [levels(("A", 50 * n)) for n in (1, 2, 20)]
    list(
        transcriber.transcribe_many(
            clips, sample_rate_hz=RATE_HZ, batch_seconds=3.0, on_progress=done_s.append
        )
    )
    assert len(done_s) > 3
    # The last frame of a clip starts 25 ms before its end.
    assert sum(done_s) == pytest.approx(23.0, abs=3 * 0.025)


@pytest.mark.parametrize("num_samples", [1, 399, 400, 719])
def test_clips_below_one_frame_have_an_empty_text(
    transcriber: Transcriber, num_samples: int
) -> None:
    transcript = transcriber.transcribe(np.full(num_samples, 0.05, np.float32), RATE_HZ)
    assert transcript.text == ("A" if num_samples >= 400 else "")
    assert transcript.duration_s == num_samples / RATE_HZ


def test_silence_has_an_empty_text(transcriber: Transcriber) -> None:
    transcript = transcriber.transcribe(np.zeros(RATE_HZ, np.float32), RATE_HZ)
    assert (transcript.text, transcript.words) == ("", ())


def test_order_is_kept_and_failures_stop_nothing(transcriber: Transcriber, tmp_path: Path) -> None:
    sources: list[Any] = []
    expected = []
    for number, letter in enumerate("ABCDEFG" * 3):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, levels((letter, 5 * (1 + number * 7 % 11))), RATE_HZ, "FLOAT")
        sources += [str(path), str(tmp_path / f"missing-{number}.wav")]
        expected += [letter, None]
    results = list(transcriber.transcribe_many(iter(sources), batch_seconds=1.0))
    assert [result.source for result in results] == sources
    for result, text in zip(results, expected, strict=True):
        if text is None:
            assert isinstance(result, Failure)
            assert isinstance(result.error, AudioError)
        else:
            assert isinstance(result, Transcript)
            assert result.text == text


def test_sources_are_read_as_they_are_needed(transcriber: Transcriber) -> None:
    num_read = 0

    def endless() -> Any:
        nonlocal num_read
        while True:
            num_read += 1
            yield {"array": levels(("A", 50)), "sampling_rate": RATE_HZ}

    results = transcriber.transcribe_many(endless(), batch_seconds=2.0)
    for _ in range(20):
        assert next(results).text == "A"
    assert num_read <= 20 + 8


def test_early_results_do_not_wait_for_all_batches(
    transcriber: Transcriber, level_model: Any
) -> None:
    clips = [levels(("A", 50)) for _ in range(8)]
    results = transcriber.transcribe_many(clips, sample_rate_hz=RATE_HZ, batch_seconds=2.0)
    assert next(results).text == "A"
    assert len(level_model.batch_shapes) == 1


def test_no_sources_give_no_results(transcriber: Transcriber) -> None:
    assert list(transcriber.transcribe_many([])) == []


def test_a_failing_source_raises_when_alone(transcriber: Transcriber) -> None:
    with pytest.raises(AudioError, match="no such file"):
        transcriber.transcribe("missing.wav")


@pytest.mark.parametrize("batch_seconds", [0.0, -1.0, float("nan")])
def test_a_batch_must_have_a_length(transcriber: Transcriber, batch_seconds: float) -> None:
    with pytest.raises(InputError, match="batch_seconds"):
        transcriber.transcribe_many([], batch_seconds=batch_seconds)


@pytest.mark.parametrize(("window_s", "context_s"), [(2.0, 1.0), (2.0, 0.0), (0.0, 0.0)])
def test_impossible_windows_are_refused(
    level_model: Any, level_processor: Any, window_s: float, context_s: float
) -> None:
    with pytest.raises(InputError, match="window"):
        Transcriber(level_model, level_processor, window_s=window_s, context_s=context_s)


def test_normalization_follows_the_checkpoint(level_model: Any, level_processor: Any) -> None:
    audio = levels(("A", 20)) + noise(0.4, 0) * 0.01
    level_processor.feature_extractor.do_normalize = True
    normalized = Transcriber(level_model, level_processor).transcribe(audio, RATE_HZ)
    level_processor.feature_extractor.do_normalize = False
    plain = Transcriber(level_model, level_processor).transcribe(audio, RATE_HZ)
    assert plain.text == "A"
    assert normalized.text != plain.text


# From here on with a real model.


@pytest.fixture(scope="module")
def tiny_transcriber(tiny_checkpoint: Path) -> Transcriber:
    return Transcriber.from_pretrained(tiny_checkpoint, device="cpu", window_s=3.0, context_s=0.5)


def test_batched_equals_alone(tiny_transcriber: Transcriber) -> None:
    durations_s = [0.03, 2.9, 0.4, 1.7, 7.0, 0.01, 1.1]
    clips = [noise(duration_s, seed) for seed, duration_s in enumerate(durations_s)]
    alone = [tiny_transcriber.transcribe(clip, RATE_HZ, batch_seconds=0.1) for clip in clips]
    together = tiny_transcriber.transcribe_many(clips, sample_rate_hz=RATE_HZ, batch_seconds=30.0)
    for single, batched in zip(alone, together, strict=True):
        check_equal(single, batched)
    assert len({transcript.text for transcript in alone}) > 4


def test_batched_log_probs_equal_single_ones(tiny_transcriber: Transcriber) -> None:
    clips = [noise(duration_s, 1) for duration_s in (0.3, 1.0, 2.2)]
    windows = [Window(clip, 0, 2, (len(clip) - 400) // 320 + 1) for clip in clips]
    model = tiny_transcriber.model
    together = dict(run_windows(model, windows, batch_samples=10**6))
    assert sorted(together) == [0, 1, 2]
    for index, window in enumerate(windows):
        [(_, alone)] = run_windows(model, [window], batch_samples=10**6)
        assert len(alone) == window.num_frames
        np.testing.assert_allclose(together[index], alone, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(np.exp(alone).sum(axis=1), 1.0, atol=1e-5)


def test_results_repeat(tiny_transcriber: Transcriber) -> None:
    clip = noise(2.0, 3)
    first = tiny_transcriber.transcribe(clip, RATE_HZ)
    assert first == tiny_transcriber.transcribe(clip, RATE_HZ)
    assert first.text


@pytest.mark.parametrize("compute_type", ["bfloat16", "float16"])
def test_smaller_compute_types_run(tiny_checkpoint: Path, compute_type: str) -> None:
    transcriber = Transcriber.from_pretrained(
        tiny_checkpoint, device="cpu", compute_type=compute_type
    )
    assert transcriber.model.dtype is getattr(torch, compute_type)
    assert transcriber.transcribe(noise(1.0, 0), RATE_HZ).text


def test_the_vocabulary_is_the_tokenizers(tiny_transcriber: Transcriber) -> None:
    assert tiny_transcriber.vocabulary["A"] == 5


# Long recordings: read in blocks, alone.


def test_long_recordings_keep_their_place_among_short_ones(
    transcriber: Transcriber, level_model: Any
) -> None:
    clips = [levels((letter, frames)) for letter, frames in [("A", 50), ("B", 1_000), ("C", 50)]]
    results = list(transcriber.transcribe_many(clips, sample_rate_hz=RATE_HZ, batch_seconds=8.0))
    assert [result.text for result in results] == ["A", "B", "C"]
    assert results[1].duration_s == 20.0
    # The long one's windows are no longer than the limit, and it waits for no other.
    assert max(samples for _, samples in level_model.batch_shapes) == 2 * RATE_HZ


def test_a_long_recording_that_ends_badly_is_a_failure(transcriber: Transcriber) -> None:
    damaged = levels(("A", 1_000))
    damaged[-1] = np.nan
    results = list(
        transcriber.transcribe_many(
            [damaged, levels(("B", 20)), None], sample_rate_hz=RATE_HZ, batch_seconds=8.0
        )
    )
    assert isinstance(results[0], Failure)
    assert isinstance(results[0].error, AudioError)
    assert results[1].text == "B"
    assert isinstance(results[2].error, InputError)


def test_a_long_pipe_is_transcribed_and_cleaned_up(
    transcriber: Transcriber, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wav2vec2_conformer.audio.source._SPOOL_BYTES", 100_000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    file = io.BytesIO()
    soundfile.write(file, levels(("A", 500), ("B", 500)), RATE_HZ, format="WAV", subtype="FLOAT")
    file.seek(0)
    results = transcriber.transcribe_many([file, levels(("C", 20))], sample_rate_hz=RATE_HZ)
    assert next(results).text == "AB"
    results.close()
    assert not list(tmp_path.glob("wav2vec2-conformer-*"))


def test_speech_detection_is_asked_for_by_name(level_model: Any, level_processor: Any) -> None:
    with pytest.raises(InputError, match="energy, silero"):
        Transcriber(level_model, level_processor, speech_detection="loud")
