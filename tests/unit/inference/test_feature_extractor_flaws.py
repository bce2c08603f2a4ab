"""What `Wav2Vec2FeatureExtractor` of transformers does to audio, and this package does not.

There, in a padded batch without attention mask, a short clip is normalized over its padding
too; a tensor with two axes becomes one clip of that shape; a list of tensors crashes; a wrong
sample rate passes unless the caller states it; and offsets are numpy integers, which JSON
refuses.
"""

import io
import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from wav2vec2_conformer.audio import load_audio, normalize_waveform
from wav2vec2_conformer.data.collation import SpeechCollator
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference import Transcriber, Transcript

RATE_HZ = 16_000


def noise(duration_s: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0.05, 0.2, round(duration_s * RATE_HZ)).astype(np.float32)


class Recorder:
    """A model's forward that keeps what it was given."""

    def __init__(self, model: Any) -> None:
        self.batches: list[tuple[np.ndarray, np.ndarray]] = []
        self.model = model
        self._forward = model.forward
        model.forward = self

    def __call__(self, input_values: torch.Tensor, **options: Any) -> Any:
        self.batches.append((input_values.numpy(), options["attention_mask"].numpy()))
        return self._forward(input_values, **options)


@pytest.fixture
def heard(level_model: Any) -> Recorder:
    return Recorder(level_model)


@pytest.fixture
def transcriber(heard: Recorder, level_processor: Any) -> Transcriber:
    level_processor.feature_extractor.do_normalize = True
    return Transcriber(heard.model, level_processor)


def test_padding_has_no_part_in_a_clips_statistics_in_training() -> None:
    clips = [noise(1.0), noise(3.0, 1)]
    labels = np.zeros(1, np.int64)
    examples = [
        {"input_values": clip, "labels": labels, "utterance_id": str(i)}
        for i, clip in enumerate(clips)
    ]
    batch = SpeechCollator()(examples)
    for row, clip in zip(batch["input_values"].numpy(), clips, strict=True):
        valid = row[: len(clip)]
        assert valid.mean() == pytest.approx(0.0, abs=1e-4)
        assert valid.var() == pytest.approx(1.0, abs=1e-3)
        np.testing.assert_allclose(valid, normalize_waveform(clip), atol=1e-5)
        np.testing.assert_array_equal(row[len(clip) :], 0.0)


def test_padding_has_no_part_in_a_clips_statistics_in_transcription(
    transcriber: Transcriber, heard: Recorder
) -> None:
    clips = [noise(1.0), noise(3.0, 1)]
    list(transcriber.transcribe_many(clips, sample_rate_hz=RATE_HZ))
    [(inputs, mask)] = heard.batches
    assert inputs.shape == (2, 3 * RATE_HZ)
    for row, row_mask in zip(inputs, mask, strict=True):
        clip = next(clip for clip in clips if len(clip) == row_mask.sum())
        np.testing.assert_allclose(row[: len(clip)], normalize_waveform(clip), atol=1e-6)
        np.testing.assert_array_equal(row[len(clip) :], 0.0)


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_two_axes_are_channels_and_not_one_clip_of_two_rows(
    transcriber: Transcriber, heard: Recorder, convert: Any
) -> None:
    left, right = noise(1.0), noise(1.0, 1)
    transcriber.transcribe(convert(np.stack([left, right])), RATE_HZ)
    [(inputs, _)] = heard.batches
    expected = normalize_waveform((left + right) / 2)
    np.testing.assert_allclose(inputs, expected[None], atol=1e-5)


def test_a_batch_as_one_tensor_is_refused() -> None:
    """Twenty clips in a tensor could be no channels: they are named, not mixed."""
    with pytest.raises(InputError, match=r"neither axis could hold"):
        load_audio(torch.zeros(20, RATE_HZ), RATE_HZ)


def test_a_list_of_tensors_is_a_list_of_clips(transcriber: Transcriber, heard: Recorder) -> None:
    clips = [torch.from_numpy(noise(duration_s)) for duration_s in (0.5, 1.0, 1.5)]
    results = list(transcriber.transcribe_many(clips, sample_rate_hz=RATE_HZ))
    assert [result.duration_s for result in results] == [0.5, 1.0, 1.5]
    assert len(heard.batches) == 1


def test_an_array_without_rate_is_refused(transcriber: Transcriber) -> None:
    with pytest.raises(InputError, match="sample_rate_hz"):
        transcriber.transcribe(noise(1.0))


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_audio_at_another_rate_is_resampled_whatever_holds_it(
    transcriber: Transcriber, heard: Recorder, rate_hz: int
) -> None:
    samples = noise(1.0)[:rate_hz] if rate_hz < RATE_HZ else noise(3.0)[:rate_hz]
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype="FLOAT")
    row = {"array": samples, "sampling_rate": rate_hz}
    for source in (samples, torch.from_numpy(samples), file.getvalue(), row):
        transcript = transcriber.transcribe(source, rate_hz)
        assert transcript.duration_s == pytest.approx(1.0)
    lengths = {inputs.shape[1] for inputs, _ in heard.batches}
    assert lengths == {RATE_HZ}


def test_a_model_at_another_rate_hears_its_own(heard: Recorder, level_processor: Any) -> None:
    level_processor.feature_extractor.sampling_rate = 8_000
    transcriber = Transcriber(heard.model, level_processor)
    assert transcriber.transcribe(noise(2.0), RATE_HZ).duration_s == 2.0
    assert heard.batches[0][0].shape == (1, 16_000)


def test_results_go_to_json_as_they_are(transcriber: Transcriber) -> None:
    result = transcriber.transcribe(noise(2.0), RATE_HZ)
    assert isinstance(result, Transcript)
    assert result.words
    again = json.loads(json.dumps(asdict(result)))
    assert again["words"][0]["start_s"] == result.words[0].start_s
