"""A recording's frames, whatever its length, its silence and the block sizes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wav2vec2_conformer.audio import AudioBlocks, normalize_waveform
from wav2vec2_conformer.errors import AudioError, CheckpointError, InputError
from wav2vec2_conformer.inference.decoded_recording import DecodedRecording
from wav2vec2_conformer.inference.loading import build_decoder, load_ctc
from wav2vec2_conformer.inference.log_prob_reader import LogProbReader

RATE_HZ = 16_000


def noise(duration_s: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0.02, 0.1, round(duration_s * RATE_HZ)).astype(np.float32)


@pytest.fixture(scope="module")
def tiny(tiny_checkpoint: Path) -> tuple[Any, Any]:
    return load_ctc(tiny_checkpoint, device="cpu", compute_type="float32")


def test_the_frames_are_those_of_the_whole_recording(tiny: tuple[Any, Any]) -> None:
    waveform = noise(2.5)
    reader = LogProbReader(*tiny, window_s=10.0, context_s=1.0)
    stitched = np.concatenate(list(reader.read(AudioBlocks(waveform, RATE_HZ))))
    with torch.inference_mode():
        logits = tiny[0](torch.from_numpy(normalize_waveform(waveform))[None]).logits[0]
    np.testing.assert_allclose(stitched, logits.log_softmax(-1).numpy(), atol=1e-5)


def test_the_whole_recording_is_normalized_not_each_window(tiny: tuple[Any, Any]) -> None:
    quiet_then_loud = np.concatenate([noise(6) * 0.01, noise(6)])
    reader = LogProbReader(*tiny, window_s=3.0, context_s=0.5)
    recording = DecodedRecording("noise", reader, build_decoder(*tiny))
    windows = list(recording.cut([quiet_then_loud]))
    assert len(windows) > 5
    assert windows[0].samples.std() < 0.05
    assert windows[-1].samples.std() > 1.0


def test_progress_and_duration(tiny: tuple[Any, Any]) -> None:
    done_s: list[float] = []
    blocks = AudioBlocks(noise(9.3), RATE_HZ)
    reader = LogProbReader(*tiny, window_s=3.0, context_s=0.5)
    num_frames = sum(
        len(part) for part in reader.read(blocks, batch_seconds=3.0, on_progress=done_s.append)
    )
    assert blocks.duration_s == pytest.approx(9.3)
    assert num_frames == reader.count_frames(round(9.3 * RATE_HZ))
    assert len(done_s) > 2
    assert sum(done_s) == pytest.approx(num_frames * reader.frame_s)


def test_a_recording_of_nothing_but_silence_says_nothing(tiny: tuple[Any, Any]) -> None:
    reader = LogProbReader(*tiny, speech_detection="energy")
    blocks = AudioBlocks(np.zeros(70 * RATE_HZ, np.float32), RATE_HZ)
    stitched = np.concatenate(list(reader.read(blocks)))
    assert len(stitched) == reader.count_frames(70 * RATE_HZ)
    spoken = set(stitched.argmax(axis=1).tolist())
    delimiter_id = tiny[1].tokenizer.convert_tokens_to_ids("|")
    assert spoken == {tiny[0].config.pad_token_id, delimiter_id}


def test_errors_in_the_audio_come_before_the_model_runs(tiny: tuple[Any, Any]) -> None:
    waveform = noise(20)
    waveform[-1] = np.nan
    reader = LogProbReader(*tiny, window_s=3.0, context_s=0.5)
    with pytest.raises(AudioError, match="NaN"):
        next(reader.read(AudioBlocks(waveform, RATE_HZ)))


def test_an_output_that_is_not_finite_is_an_error(level_model: Any, level_processor: Any) -> None:
    hear = level_model.forward

    def mishear(*arguments: Any, **options: Any) -> Any:
        output = hear(*arguments, **options)
        output.logits[0, -1, 0] = float("nan")
        return output

    level_model.forward = mishear
    reader = LogProbReader(level_model, level_processor)
    with pytest.raises(CheckpointError, match=r"<array>.*not finite.*float32"):
        next(reader.read(AudioBlocks(noise(1), RATE_HZ)))


def test_unknown_speech_detection_is_refused(level_model: Any, level_processor: Any) -> None:
    with pytest.raises(InputError, match="speech_detection"):
        LogProbReader(level_model, level_processor, speech_detection="loudness")
